"""Starts the command line, if this Python can: so this file is written as older ones can read it."""

import sys

if sys.version_info < (3, 11):
    sys.exit(
        "Python is %d.%d, 3.11 or newer is needed: PYTHON=python3.12 make run names another" % sys.version_info[:2]
    )

sys.dont_write_bytecode = True  # no __pycache__ among the sources

from command_line import main  # noqa: E402

sys.exit(main())

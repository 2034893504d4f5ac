"""Starts the command line, if this Python can: so this file is written as older ones can read it."""

import os
import sys

if sys.version_info < (3, 11):
    sys.exit(
        "Python is %d.%d, 3.11 or newer is needed: PYTHON=python3.12 make deploy names another" % sys.version_info[:2]
    )

sys.dont_write_bytecode = True  # no __pycache__ among the sources
# Building, starting processes and telling of progress are the local stack's, too.
sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "local"))

from cli import main  # noqa: E402

sys.exit(main())

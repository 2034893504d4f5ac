"""Runs a command with the words of an environment variable as further arguments.

python3 infra/local/words.py VARIABLE COMMAND...

The text is split into words as a shell splits it, quotes included. Nothing in it is expanded or executed.
"""

import os
import shlex
import sys

variable, *command = sys.argv[1:]
try:
    words = shlex.split(os.environ.get(variable, ""))
except ValueError as error:  # a quote that is never closed
    sys.exit(f"{variable}: {error}")
os.execvp(command[0], [*command, *words])

"""Deploying to AWS, with the SAM command line.

python3 infra/deploy deploy [--code FOLDER] [NAME=VALUE...]
                                   build the functions and deploy them, or update what is deployed; the template's
                                   parameters as NAME=VALUE, and the CMS's API key in the variable CMS_API_KEY
python3 infra/deploy releases      what was deployed, newest first
python3 infra/deploy rollback ID [NAME=VALUE...]
                                   deploy that release again without building, as it was but for the parameters
python3 infra/deploy delete [--confirm STACK]
                                   delete the stack; the tables and the releases are kept
python3 infra/deploy first-run [--confirm ACCOUNT:REGION] [--keep] [--outage-minutes N] [--code FOLDER] [NAME=VALUE...]
                                   deploy a throw-away stack, exercise it, write a report and delete everything

Before the command: --to aws (the default) or --to local, the emulator at LOCAL_PORT; --stack NAME.
"""

import argparse
import signal
import sys
from pathlib import Path

import environment
import project
import tools
from project import Problem


def main() -> int:
    """Returns the exit status."""
    # SIGTERM, and SIGHUP of a closed terminal, end it as Ctrl-C does, so it leaves no secret in a file.
    for sent in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sent, signal.default_int_handler)
    arguments = _arguments()
    try:
        _command(arguments)
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 1
    except OSError as error:
        if not (problem := project.cannot_write(error)):
            raise
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        if arguments.command in ("deploy", "rollback", "delete"):
            print("interrupted: the same command completes what it began", file=sys.stderr)
        return 130
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="infra/deploy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="%(prog)s [--to aws|local] [--stack NAME] COMMAND",
    )
    parser.add_argument("--to", choices=("aws", "local"), default="aws", help=argparse.SUPPRESS)
    parser.add_argument("--stack", default="", help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", required=True, help=argparse.SUPPRESS)
    deploy = commands.add_parser("deploy")
    deploy.add_argument("--code", type=Path, help="deploy what was built there, one folder for each function")
    deploy.add_argument("settings", nargs="*", metavar="NAME=VALUE")
    commands.add_parser("releases")
    rollback = commands.add_parser("rollback")
    rollback.add_argument("release", nargs="?", default="", metavar="ID")
    rollback.add_argument("settings", nargs="*", metavar="NAME=VALUE")
    commands.add_parser("delete").add_argument("--confirm", default="", metavar="STACK")
    first_run = commands.add_parser("first-run")
    first_run.add_argument("--confirm", default="", metavar="ACCOUNT:REGION")
    first_run.add_argument("--keep", action="store_true", help="keep everything and print how to delete it")
    minutes = "minutes that the outage lasts after the circuit opens"
    first_run.add_argument("--outage-minutes", default="0", metavar="N", help=minutes)
    first_run.add_argument("--code", type=Path, help="deploy what was built there, one folder for each function")
    first_run.add_argument("settings", nargs="*", metavar="NAME=VALUE")
    return parser.parse_args()


def _command(arguments: argparse.Namespace) -> None:
    if not tools.entered():
        tools.prepare()
        tools.enter()
    if arguments.to == "local":
        environment.isolate()
    tools.use()

    # These need what only the tools' virtual environment holds.
    import first_run
    import stacks
    import steps

    target = stacks.Target.of(arguments.to, arguments.stack)
    match arguments.command:
        case "deploy":
            steps.deploy(target, arguments.settings, arguments.code)
        case "releases":
            steps.show_releases(target)
        case "rollback":
            steps.roll_back(target, arguments.release, arguments.settings)
        case "delete":
            steps.delete(target, arguments.confirm)
        case "first-run":
            if arguments.stack:
                raise Problem("a first run creates its own stack: omit STACK")
            first_run.first_run(
                target,
                arguments.confirm,
                arguments.settings,
                arguments.code,
                int(arguments.outage_minutes or 0),
                arguments.keep,
            )

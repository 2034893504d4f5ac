"""The local stack: the application on this machine, without an account and without Docker.

python3 infra/local setup               make the virtual environment with the tools
python3 infra/local build [--with-tests]
                                        build the functions and the stub CMS; with --with-tests all tests, too
python3 infra/local run [--once]        start everything, show one brand's way, serve until Ctrl-C
python3 infra/local watch [--once]      the same, with the functions under `cargo lambda watch`
python3 infra/local logs [FUNCTION]     follow what the functions of a `run` or `watch` log, or one of them
python3 infra/local invoke FUNCTION EVENT
                                        invoke a function of a `watch` with the event in a file
python3 infra/local exec [--with-tests | --built] [--faulty] [--watched] [--name NAME] -- COMMAND...
                                        run a command against a stack of its own, on free ports; with --built
                                        without a build; with --faulty its functions find AWS and the CMS only
                                        through the command; with --watched `cargo lambda watch` runs them; its logs
                                        go to target/local/logs/NAME (exec), so runs at the same time need names
python3 infra/local aws ARGUMENTS...    the AWS command line, speaking to what `run` or `watch` started
python3 infra/local operate [--stack NAME] -- ARGUMENTS...
                                        an operator's command on that, or on a stack that was deployed beside it:
                                        create-admin, set-password, sync, show, circuit, reconcile, parked, redrive
python3 infra/local stop                end a `run` or `watch` that was left behind
python3 infra/local clean               stop, and remove the environment and the stack's files

With CMS_URL and CMS_API_KEY set, `run`, `watch` and `exec` use that CMS in place of the stub. The URL begins with http(s)://,
payload+http(s):// or strapi+http(s)://. CMS_COLLECTION, CMS_ID_FIELD, CMS_NAME_FIELD, CMS_ENTRY_STATUS, CMS_ON_DELETE,
CMS_USERS_COLLECTION, CMS_REQUESTS_PER_SECOND, CMS_EDITS, CMS_MADE, CMS_ORPHANS and CMS_CONFLICTS set the template's parameters
(CmsCollection …), also with the stub.
`exec --faulty` always has the stub and ignores all of them.
"""

import argparse
import os
import shutil
import signal
import sys

import environment
import one_at_a_time
import project
from project import ROOT, STATE, VENV, Problem


def main() -> int:
    """Returns the exit status."""
    # Told to end by `stop`, or by the end of its terminal, it unwinds as at Ctrl-C, and so stops what it started.
    for sent in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sent, signal.default_int_handler)
    try:
        return _command(_arguments())
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 1
    except OSError as error:
        if not (problem := project.cannot_write(error)):
            raise
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="infra/local",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="%(prog)s COMMAND",
    )
    commands = parser.add_subparsers(dest="command", required=True, help=argparse.SUPPRESS)
    for name in ("setup", "stop", "clean"):
        commands.add_parser(name)
    commands.add_parser("build").add_argument("--with-tests", action="store_true", help="build the tests, too")
    for name in ("run", "watch"):
        commands.add_parser(name).add_argument("--once", action="store_true", help="end when the brand is shown")
    commands.add_parser("logs").add_argument("function", nargs="?", metavar="FUNCTION")
    invoke = commands.add_parser("invoke")
    invoke.add_argument("function", metavar="FUNCTION")
    invoke.add_argument("event", metavar="EVENT")
    execute = commands.add_parser("exec")
    execute.add_argument("--with-tests", action="store_true", help="build the tests together with the functions")
    execute.add_argument("--built", action="store_true", help="build nothing")
    execute.add_argument("--faulty", action="store_true", help="lead the functions through the command's proxies")
    execute.add_argument("--watched", action="store_true", help="have `cargo lambda watch` run the functions")
    execute.add_argument("--name", default="exec", help="the folder of the stack's logs")
    execute.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    commands.add_parser("aws", add_help=False).add_argument("argv", nargs=argparse.REMAINDER, metavar="ARGUMENTS")
    operate = commands.add_parser("operate")
    operate.add_argument("--stack", metavar="NAME")
    operate.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- ARGUMENTS")
    return parser.parse_args()


def _command(arguments: argparse.Namespace) -> int:
    match arguments.command:
        case "stop":
            one_at_a_time.stop()
            return 0
        case "clean":
            one_at_a_time.stop()
            for folder in (VENV, STATE):
                shutil.rmtree(folder, ignore_errors=True)
            return 0

    os.chdir(ROOT)
    if not environment.entered():
        environment.prepare()
        environment.enter()
    environment.isolate()

    # These need what only the virtual environment holds.
    import build
    import execute
    import follow
    import invoke
    import operate
    import run
    import session

    match arguments.command:
        case "build":
            build.build(arguments.with_tests)
        case "run" | "watch":
            run.run(arguments.once, watched=arguments.command == "watch")
        case "logs":
            follow.follow(arguments.function)
        case "invoke":
            return invoke.invoke(arguments.function, arguments.event)
        case "exec":
            command = _after_dashes(arguments.argv)
            if not command:
                raise Problem("exec: no command: python3 infra/local exec -- COMMAND...")
            return execute.execute(
                command,
                with_tests=arguments.with_tests,
                built=arguments.built,
                faulty=arguments.faulty,
                watched=arguments.watched,
                name=arguments.name,
            )
        case "aws":
            os.execvp("aws", ["aws", "--endpoint-url", session.endpoint(), *arguments.argv])
        case "operate":
            return operate.operate(session.endpoint(), arguments.stack, _after_dashes(arguments.argv))
    return 0


def _after_dashes(argv: list[str]) -> list[str]:
    return argv[1:] if argv[:1] == ["--"] else argv

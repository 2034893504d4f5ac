"""An administrator of a local stack: created as an operator does it, signed in as a client does it."""

import json
import secrets
import urllib.error
import urllib.request
from dataclasses import dataclass

import operate
from project import Problem
from stack import Stack

EMAIL = "admin@example.com"


@dataclass(frozen=True)
class Admin:
    """Somebody who may create brands. The password is random: nobody has a default one."""

    email: str
    password: str
    token: str = ""  # none who has not signed in

    def coordinates(self) -> dict[str, str]:
        """What a test needs to know, as environment variables."""
        return {"ADMIN_EMAIL": self.email, "ADMIN_PASSWORD": self.password, "ADMIN_TOKEN": self.token}


def created(running: Stack) -> Admin:
    """Creates the administrator."""
    password = secrets.token_urlsafe(24)
    operate.create_admin(running.endpoint, running.outputs, EMAIL, password)
    return Admin(EMAIL, password)


def signed_in(running: Stack) -> Admin:
    """Creates the administrator and signs them in."""
    password = created(running).password
    request = urllib.request.Request(
        f"{running.api_url}/auth/user/emailpass",
        json.dumps({"email": EMAIL, "password": password}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return Admin(EMAIL, password, json.loads(answer.read())["token"])
    except urllib.error.HTTPError as error:
        raise Problem(f"sign-in answered {error.code} {error.read().decode(errors='replace')}") from error
    except OSError as error:
        running.check()
        raise Problem(f"the API does not answer: {error}") from error

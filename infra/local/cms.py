"""The CMS of a stack: the stub, or the one that the developer names with CMS_URL and CMS_API_KEY."""

import ipaddress
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

import processes
import template
from project import Problem

# `stub:`, which the template takes too, is left out: that stub is inside a function, where no one can look at it.
_SCHEMES = ("http", "https", "payload+http", "payload+https", "strapi+http", "strapi+https")
_URL = re.compile(rf"({'|'.join(map(re.escape, _SCHEMES))})://[^\s/?#@]+(/[^\s?#]*)?")
# The fewest processes that the template shares a rate among. Few, so that each gets much of it.
_PROCESSES = "2"


@dataclass(frozen=True)
class Cms:
    """Where it is, its key, and what else the template is given for it."""

    url: str
    api_key: str = field(repr=False)
    options: Mapping[str, str]
    stub_address: str | None = None
    """Where the stub listens, if it is the stub."""

    @property
    def is_stub(self) -> bool:
        """Whether it is the stub, which the stack starts."""
        return self.stub_address is not None

    def parameters(self) -> dict[str, str]:
        """The template's parameters that are about it."""
        return {"CmsUrl": self.url, "CmsApiKey": self.api_key, **self.options}

    def stub_environment(self) -> dict[str, str]:
        """The stub's whole environment. With CMS_STUB_FAULTS the developer has it fail from the start."""
        faults = {name: os.environ[name] for name in ("CMS_STUB_FAULTS",) if name in os.environ}
        return {"CMS_STUB_ADDRESS": self.stub_address or "", "CMS_API_KEY": self.api_key} | faults


def of_the_one_run() -> Cms:
    """That of `run` and `watch`; a problem if the stub's port is taken."""
    if chosen := of_the_developer(os.environ):
        return chosen
    address = os.environ.get("CMS_STUB_ADDRESS", "127.0.0.1:4600")
    check_address(address)
    return stub(address, options(os.environ))


def check_address(address: str) -> None:
    """Raises where the stub could not listen at that address, as it takes it: an IP address and a port."""
    example = "127.0.0.1:4601"
    host, _, port = address.rpartition(":")
    try:
        ip = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        if host != (f"[{ip}]" if ip.version == 6 else str(ip)):
            raise ValueError
    except ValueError:
        raise Problem(f"CMS_STUB_ADDRESS: {address!r} is not an IP address and a port, such as {example}") from None
    processes.check_port(processes.port("CMS_STUB_ADDRESS", port), "CMS_STUB_ADDRESS", example, str(ip))


def stub(address: str, options: Mapping[str, str]) -> Cms:
    """The stub CMS at that address, with a new key."""
    return Cms(f"http://{address}", secrets.token_urlsafe(24), options, address)


def of_the_developer(environment: Mapping[str, str]) -> Cms | None:
    """The CMS that these variables name, None if they name none; a problem if they are wrong.

    The problem does not quote the URL, which may hold a password.
    """
    url, api_key = environment.get("CMS_URL", ""), environment.get("CMS_API_KEY", "")
    if not url and not api_key:
        return None
    if not api_key:
        raise Problem("CMS_URL is set, but CMS_API_KEY is not: set both for a CMS of your own, neither for the stub")
    if not url:
        raise Problem("CMS_API_KEY is set, but CMS_URL is not: set both for a CMS of your own, neither for the stub")
    if not _URL.fullmatch(url):
        *others, last = (f"{scheme}://" for scheme in _SCHEMES)
        raise Problem(
            f"CMS_URL must begin with {', '.join(others)} or {last}, and hold no user name, password, query or "
            "fragment. For the stub, leave it out"
        )
    return Cms(url, api_key, options(environment))


def options(environment: Mapping[str, str]) -> dict[str, str]:
    """The template's other parameters of the CMS, from variables of the names that the functions have them under."""
    names = {
        name: expression["Ref"]
        for name, expression in template.environment().items()
        if name.startswith("CMS_") and name != "CMS_URL" and "Ref" in expression
    }
    chosen = {parameter: environment[name] for name, parameter in names.items() if environment.get(name)}
    if chosen.get("CmsRequestsPerSecond", "0") != "0":
        chosen["SyncBrandMaximumConcurrency"] = _PROCESSES
    return chosen

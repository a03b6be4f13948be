"""Where grades and pages are exported to: an address that cannot be used, or that others could listen to."""

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from config.problems import Problem
from config.settings import Settings

ENVIRONMENT = "environment"
BASE, SYSTEM, TOKEN = "CARTWATCH_FHIR_BASE", "CARTWATCH_FHIR_SYSTEM", "CARTWATCH_FHIR_TOKEN"


def check_fhir_base(settings: Settings) -> Iterator[Problem]:
    """Everything about the settings of the export; nothing where it is off."""
    base = settings.fhir_base
    if not base:
        if settings.fhir_token:
            yield _problem(TOKEN, f"is set and {BASE} is not: nothing is exported", warning=True)
        return
    wrong = _wrong(base)
    if wrong:
        yield _problem(BASE, wrong)
    elif base.startswith("http://") and not _is_here(urlsplit(base).hostname or ""):
        what = "speaks no TLS, and patients' grades leave this machine by it: let it begin with https://"
        yield _problem(BASE, what, warning=True)
    if not settings.fhir_system:
        what = "is not set: exported patients are named by a value alone; give the system of their identifier"
        yield _problem(SYSTEM, what, warning=True)


def _wrong(base: str) -> str:
    """Why an address cannot be that of a FHIR server; empty where it can."""
    try:
        parts = urlsplit(base)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known or any(sign.isspace() for sign in base):
        return "is no address of a FHIR server: write https://HOST/PATH"
    if parts.username or parts.password:
        return f"holds a name or password: use {TOKEN}"
    if parts.query or parts.fragment:
        return "has a query or a fragment: write the base alone, https://HOST/PATH"
    return ""


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _problem(name: str, what: str, *, warning: bool = False) -> Problem:
    return Problem(ENVIRONMENT, None, (name,), what, warning)

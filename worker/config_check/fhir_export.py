"""The address of the FHIR export: unusable, or readable by others."""

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from config.problems import Problem
from config.settings import Settings

ENVIRONMENT = "environment"
BASE, SYSTEM, TOKEN = "CARTWATCH_FHIR_BASE", "CARTWATCH_FHIR_SYSTEM", "CARTWATCH_FHIR_TOKEN"


def check_fhir_base(settings: Settings) -> Iterator[Problem]:
    """Check the settings of the export; nothing if it is off."""
    base = settings.fhir_base
    if not base:
        if settings.fhir_token:
            yield _problem(TOKEN, f"is set without {BASE}: nothing is exported", warning=True)
        return
    wrong = _wrong(base)
    if wrong:
        yield _problem(BASE, wrong)
    elif base.startswith("http://") and not _is_here(urlsplit(base).hostname or ""):
        what = "uses no TLS, and patients' grades leave this machine: write https://"
        yield _problem(BASE, what, warning=True)
    if not settings.fhir_system:
        what = "is not set: exported patients have an identifier without a system; set the system"
        yield _problem(SYSTEM, what, warning=True)


def _wrong(base: str) -> str:
    """Why an address cannot be a FHIR base; empty if it can."""
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

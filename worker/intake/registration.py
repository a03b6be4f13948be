"""The registration that a person types, on the command line or on the board, as a native message."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from config.site import Site
from config.vocabulary import PRODUCTS, product_code
from worker.store.shard import Store

FIELDS = ("patient", "infused", "product", "born", "ward", "bed", "team", "allergies")
LONGEST = 200

_FIRST_YEAR = 1900

NO_PATIENT = "Patient: write the id that readings come in with; it does not begin with ~"
TOO_LONG = "A field has at most 200 characters"
BAD_INFUSED = "Infusion: write day and hour on the hospital's clock, as in 2024-06-12T10:00"
TOO_FAR_AHEAD = "Infusion: too far ahead; correct the date"
BAD_BORN = "Date of birth: write it as in 1955-05-01; it does not lie ahead"


class BadFieldError(ValueError):
    """A field that cannot be used. The text names the field and the fix."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(why)
        self.field = field


def registration(said: Mapping[str, str], id: str, source: str, now: datetime, site: Site) -> dict[str, Any]:
    """The native message of a typed registration. An empty field is left out.

    Raises:
        BadFieldError: names the field and the fix.
    """
    fields = {name: said.get(name, "").strip() for name in FIELDS}
    for name, text in fields.items():
        if len(text) > LONGEST:
            raise BadFieldError(name, TOO_LONG)
    if not fields["patient"] or fields["patient"].startswith("~"):
        raise BadFieldError("patient", NO_PATIENT)
    fields["infused"] = _infused(fields["infused"], now, site)
    fields["born"] = _born(fields["born"], now)
    fields["product"] = PRODUCTS.get(product_code(fields["product"]), fields["product"])
    body = {"type": "registration", "id": id, "source": source, "effective": now.isoformat()}
    return body | {name: text for name, text in fields.items() if text}


def _infused(text: str, now: datetime, site: Site) -> str:
    if not text:
        return ""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadFieldError("infused", BAD_INFUSED) from error
    if len(text) <= len("2024-06-12") or not at.year >= _FIRST_YEAR:
        raise BadFieldError("infused", BAD_INFUSED)
    at = at if at.tzinfo is not None else at.replace(tzinfo=site.zone)
    if at > now + site.conventions.registration.ahead_within.value:
        raise BadFieldError("infused", TOO_FAR_AHEAD)
    return at.isoformat()


def _born(text: str, now: datetime) -> str:
    if not text:
        return ""
    try:
        born = date.fromisoformat(text)
    except ValueError as error:
        raise BadFieldError("born", BAD_BORN) from error
    if born > now.date() or born.year < _FIRST_YEAR:
        raise BadFieldError("born", BAD_BORN)
    return born.isoformat()


def is_processed(store: Store, message: Mapping[str, Any]) -> bool:
    """Whether the patient's chart contains a registration."""
    state = store.state(message["patient"])
    at = datetime.fromisoformat(message["effective"])
    return state is not None and any(held.effective == at for held in state.chart.registrations)

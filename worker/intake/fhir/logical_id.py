"""The id under which a resource is known. It follows from the resource alone, so a repetition names the same one."""

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from worker.intake.fhir.resources import Identifier

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
"""A FHIR id (R4, data type `id`)."""


def logical_id(id: str, identifiers: Sequence[Identifier], whole: dict[str, Any]) -> str:
    """The id of a resource: the one it was sent with, else one made of its first identifier, else of its content.

    A text that FHIR allows as no id is replaced by its hash.
    """
    if id:
        return id if ID.fullmatch(id) else hashed(id)
    named = next((identifier_text(item) for item in identifiers if item.value), "")
    return hashed(named or json.dumps(whole, sort_keys=True, default=str))


def identifier_text(identifier: Identifier) -> str:
    """A business identifier as a search writes it: SYSTEM|VALUE."""
    return f"{identifier.system}|{identifier.value}"


def hashed(text: str) -> str:
    """A text of any length as 32 hexadecimal digits."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]

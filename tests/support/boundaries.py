"""What the tests of the published boundaries share: messages of a ward, asked as `cartwatch grade` is asked."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from config.site import Site, load_site
from config.vocabulary import READINGS
from worker.commands.grading import grade_case, read_case

SITE = load_site()
SITE_6 = SITE._replace(conventions=SITE.conventions.model_copy(update={"ctcae_version": "6.0"}))
INFUSED = datetime(2024, 6, 12, 8, tzinfo=UTC)
BEFORE = INFUSED - timedelta(days=6)
"""Before infusion, and before lymphodepletion."""
NOW = INFUSED + timedelta(days=2)
STEP = Decimal("0.01")
AROUSAL = {"spontaneous": 0, "voice": 2, "touch": 3, "vigorous_touch": 4, "unarousable": 4}

_ids = count(1)

Body = dict[str, Any]


def body(type_: str, at: datetime, **fields: Any) -> Body:
    common = {"type": type_, "id": f"m{next(_ids)}", "source": "ward", "patient": "P1", "effective": at.isoformat()}
    return {**common, **fields}


def reading(kind: str, value: object, at: datetime = NOW, **fields: Any) -> Body:
    unit = {"unit": READINGS[kind].unit} if READINGS[kind].unit else {}
    return body("reading", at, reading=kind, value=str(value), **{"by": "person", **unit, **fields})


def stated(name: str, at: datetime = NOW) -> Body:
    return body("statement", at, statement=name, value=True, by="person")


def drug(name: str, action: str = "started", at: datetime = NOW) -> Body:
    return body("treatment", at, drug=name, action=action)


def graded(*messages: Body, at: datetime = NOW, site: Site = SITE, born: str = "1955-05-01") -> dict[str, Any]:
    admitted = body("registration", INFUSED - timedelta(days=7), infused=INFUSED.isoformat(), born=born)
    asked = read_case(json.dumps({"id": 1, "at": at.isoformat(), "messages": [admitted, *messages]}))
    assert not asked.unread
    results: dict[str, Any] = grade_case(asked, site)["results"]
    return results


def signs(**values: object) -> list[Body]:
    """A set of vital signs that is normal but for the fever and what is given."""
    return [
        reading(kind, value) for kind, value in {"temperature": 39, "systolic_bp": 120, "spo2": 97, **values}.items()
    ]

"""The CDS Hooks card of a patient: the open episodes, who has them, and a link. Pure.

It suggests nothing: a suggestion would order things. To dismiss it acknowledges nothing.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from alerts.episodes.episode import Episode
from alerts.state import PatientState
from alerts.wording.catalogue import DISCLAIMER
from config.intake import ACCOUNTS
from config.site import URGENCIES, Urgency
from worker.gateway.view import Concern, Reader
from worker.gateway.view import patient as patient_view

SERVICE = "cartwatch-toxicity"
HOOK = "patient-view"

SUMMARY_MOST = 139
"""Characters of a summary: the specification asks for fewer than 140."""

INDICATORS: Mapping[Urgency, str] = {"critical": "critical", "high": "critical", "medium": "warning"}
CLOSURE = "urn:cartwatch:closure"
SYSTEM = "urn:cartwatch:system"

REASONS = {
    "in-hand": "Known, already being treated",
    "not-crs": "Other cause",
    "wrong-data": "Charted value is wrong",
}
"""Why a card may be overridden, in words of the catalogue."""

Json = dict[str, Any]


def discovery() -> Json:
    """The service, as a client of CDS Hooks finds it."""
    return {
        "services": [
            {
                "hook": HOOK,
                "id": SERVICE,
                "title": "CAR-T toxicity watch",
                "description": "Open toxicity episodes of a patient after CAR-T infusion, and who has them; read only.",
                "prefetch": {"patient": "Patient/{{context.patientId}}"},
                "usageRequirements": "Patient.identifier must hold the identifier under which results reach cartwatch.",
            }
        ]
    }


def identifiers(patient: Json, system: str | None) -> list[str]:
    """The identifiers of a FHIR Patient by which results arrive; never those of a visit or an account."""
    found = []
    entries = patient.get("identifier")
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict) or entry.get("use") == "old" or not isinstance(entry.get("value"), str):
            continue
        if (system is None or entry.get("system") == system) and not _types(entry) & ACCOUNTS:
            found.append(entry["value"].strip())
    return list(dict.fromkeys(value for value in found if value))


def _types(identifier: Json) -> set[str]:
    kind = identifier.get("type")
    codings = kind.get("coding") if isinstance(kind, dict) else None
    return {str(one.get("code")) for one in codings if isinstance(one, dict)} if isinstance(codings, list) else set()


def card(state: PatientState, reader: Reader, uuid: str, base: str, link: str) -> Json | None:
    """The card of a patient; None if no episode is open. `link`: the patient on the ward board."""
    view = patient_view(state, reader)
    if not view.concerns:
        return None
    concerns = sorted(view.concerns, key=lambda one: (-URGENCIES.index(one.episode.urgency), -one.episode.level))
    first = concerns[0].episode
    return {
        "uuid": uuid,
        "summary": _summary(view.day, concerns, reader),
        "indicator": INDICATORS.get(first.urgency, "info"),
        "detail": "\n\n".join([*(_detail(one, reader) for one in concerns), f"_{reader.say(DISCLAIMER)}_"]),
        "source": {
            "label": "cartwatch",
            "url": base,
            "topic": {"system": SYSTEM, "code": first.condition, "display": reader.words(first.title)},
        },
        "overrideReasons": [
            {"code": code, "system": CLOSURE, "display": reader.say(words)} for code, words in REASONS.items()
        ],
        "links": [{"label": reader.say("Ward board"), "url": link, "type": "absolute"}],
    }


def _summary(day: int | None, concerns: list[Concern], reader: Reader) -> str:
    first = concerns[0]
    more = f" +{len(concerns) - 1}" if len(concerns) > 1 else ""
    when = "" if day is None else f"D{day:+d} "
    text = f"{when}{first.title}{more}; {who_has(first.episode, reader)}"
    return text if len(text) <= SUMMARY_MOST else f"{text[: SUMMARY_MOST - 1].rstrip()}…"


def _detail(concern: Concern, reader: Reader) -> str:
    readings = "; ".join(f"{row.name} {row.value} ({row.at})" for row in concern.readings)
    missing = reader.say("missing: {names}", names=", ".join(concern.missing)) if concern.missing else ""
    since = reader.say("since {at}", at=concern.since)
    parts = [f"{since}, {who_has(concern.episode, reader)}", readings, missing]
    return f"**{_plain(concern.title)}** - {_plain('; '.join(part for part in parts if part))}"


def who_has(episode: Episode, reader: Reader) -> str:
    """Who has acknowledged an episode; else whom it paged last."""
    if episode.acknowledged_by:
        at = reader.clock(episode.acknowledged_at)
        return reader.say("{person} has it since {time}", person=reader.name(episode.acknowledged_by), time=at)
    people = _paged(episode.notified, reader)
    nobody = reader.say("Nobody has it yet")
    return f"{nobody} ({reader.say('paged: {people}', people=people)})" if people else nobody


def _paged(people: Iterable[str], reader: Reader) -> str:
    return ", ".join(reader.name(person) for person in people)


def _plain(text: str) -> str:
    """A text without the signs that Markdown reads."""
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>#|" else sign for sign in text)

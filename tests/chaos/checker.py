"""The independent judge of a campaign: it knows the stories, what was accepted, what the phone took and what stands in
the store at the end. It asks the software under test nothing about what it should have done.

A registration may come later than the readings: until it does, a page speaks of an unregistered patient, without a
place, and what the patient "would be". The registration makes the same episode the ordinary one and pages nobody
again. So such a page counts for the patient whom it, or another page of its episode, names.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tests.chaos.scenario import TRUNCATED_ID, Body, Expected, Patient

FIRST, LADDER = "/phone-1", ("/phone-1", "/phone-2", "/phone-3")

_PATIENT = re.compile(rf"\b(?:P\d{{4}}|{TRUNCATED_ID})\b")

Charted = Mapping[str, Counter[tuple[str, str]]]
"""Patient -> how often each (message id, value) stands in the chart."""


class Page(NamedTuple):
    """A page as the phone took it."""

    at: float
    path: str
    id: str
    title: str


class Accepted(NamedTuple):
    """A message of which the sender heard that it was accepted, and when first."""

    at: float
    body: Body


class State(NamedTuple):
    """What stands in the store at the end: charts, who has which patient's episodes, pages by what became of them."""

    charted: Charted
    holders: Mapping[str, str]
    deliveries: Mapping[str, str]
    open: Mapping[str, frozenset[str]]


class Verdict(NamedTuple):
    """What was found. Whatever is in `faults` must not be."""

    accepted: int
    owed: int
    received: int
    duplicates: int
    delays: list[float]
    faults: dict[str, list[str]]

    @property
    def duplicates_per_1000(self) -> float:
        """Pages that came more than once, of 1 000 that came."""
        return 1000 * self.duplicates / self.received if self.received else 0.0


def judge(
    patients: Iterable[Patient], accepted: list[Accepted], acked: Mapping[str, str], pages: list[Page], state: State
) -> Verdict:
    """Compare; `acked` are accepted acknowledgements, by episode: who."""
    known = list(patients)
    by_patient = _by_patient(pages)
    owed = list(_owed(known, LADDER))
    faults = {
        "messages lost": list(_lost(accepted, state.charted)),
        "charted twice": list(_twice(state.charted)),
        "charted without a message": list(_strays(accepted, state.charted)),
        "pages lost": [
            f"{name} {expected.grade} {path}"
            for name, expected, path in owed
            if not _came(by_patient.get(name, []), expected, path)
        ],
        "pages said to be sent that never came": list(_never_came(pages, state.deliveries)),
        "pages still owed": [
            page for page, became in state.deliveries.items() if became in ("due", "failed", "unknown")
        ],
        "pages without ground": list(_groundless(known, by_patient)),
        "acknowledgements lost": [name for name, by in acked.items() if state.holders.get(name) != by],
        "not retracted": list(_not_retracted(known, by_patient, state.open)),
    }
    return Verdict(
        accepted=len(accepted),
        owed=len(owed),
        received=len({page.id for page in pages}),
        duplicates=sum(times - 1 for times in Counter(page.id for page in pages).values()),
        delays=list(_delays(known, accepted, by_patient)),
        faults=faults,
    )


# -- messages --------------------------------------------------------------------------------------


def value_of(body: Body) -> str | None:
    """What stands in the chart of a message; None for one that is not charted by kind."""
    match body["type"]:
        case "reading":
            return str(body["value"])
        case "treatment":
            return str(body["action"])
    return None


def _final(accepted: Iterable[Accepted]) -> dict[tuple[str, str], str]:
    """What each message says in the end: a correction outranks what it corrects, in whatever order they came."""
    said: dict[tuple[str, str], str] = {}
    for message in sorted(accepted, key=lambda item: item.body.get("status") == "corrected"):
        value = value_of(message.body)
        if value is not None:
            said[message.body["patient"], message.body["id"]] = value
    return said


def _lost(accepted: Iterable[Accepted], charted: Charted) -> Iterable[str]:
    for (patient, message), value in _final(accepted).items():
        if not charted.get(patient, Counter())[message, value]:
            yield f"{patient}: {message} = {value}"


def _twice(charted: Charted) -> Iterable[str]:
    for patient, entries in charted.items():
        times = Counter(message for (message, _), often in entries.items() for _ in range(often))
        yield from (f"{patient}: {message}" for message, often in times.items() if often > 1)


def _strays(accepted: Iterable[Accepted], charted: Charted) -> Iterable[str]:
    sent = {(message.body["patient"], message.body["id"]) for message in accepted}
    for patient, entries in charted.items():
        yield from (f"{patient}: {message}" for message, _ in entries if (patient, message) not in sent)
    if charted.get(TRUNCATED_ID):
        yield TRUNCATED_ID


# -- pages -----------------------------------------------------------------------------------------


def _owed(patients: Iterable[Patient], ladder: Iterable[str]) -> Iterable[tuple[str, Expected, str]]:
    """Everybody who must have been notified: the first, and where nobody answers everybody on the ladder."""
    for patient in patients:
        for expected in patient.story.owed:
            for path in (FIRST,) if patient.story.answered else ladder:
                yield patient.name, expected, path


def patient_of(title: str) -> str:
    """The patient whom a title names; "" where it names none."""
    named = _PATIENT.search(title)
    return named.group() if named else ""


def says(title: str, grade: str) -> bool:
    """Whether a title names a grade, in full or as briefly as a title can ("CRS 2")."""
    return grade in title or re.search(rf"\b{grade.replace(' grade', '')}\b", title) is not None


def _says_it_was(title: str, grade: str) -> bool:
    """Whether a title names a grade as the one there was before: "CRS now 0 (was 1)"."""
    scale, _, level = grade.partition(" grade ")
    return re.search(rf"\b{scale} now \d \(was {level}\)", title) is not None


def _by_patient(pages: Iterable[Page]) -> dict[str, list[Page]]:
    """The pages of each patient: by its own title, else by that of another page of its episode."""
    taken = list(pages)
    of_episode = {_episode(page): name for page in taken if (name := patient_of(page.title))}
    found: dict[str, list[Page]] = {}
    for page in taken:
        name = patient_of(page.title) or of_episode.get(_episode(page), "")
        found.setdefault(name, []).append(page)
    found.pop("", None)
    return found


def _episode(page: Page) -> str:
    return page.id.rpartition(".")[0]


def _reports(title: str, grade: str) -> bool:
    """Whether whoever reads a title learns that a grade was reached.

    A title shows the newest grade, and what was reached before it: "CRS now 1 (was 2)". So a page says it of a grade
    that was over before the page was made: a low pressure and the normal one after it came in one batch, or the page
    about the higher grade had not been sent yet. When that grade comes back it is no news.
    """
    return says(title, grade) or _says_it_was(title, grade)


def _came(pages: Iterable[Page], expected: Expected, path: str) -> bool:
    return any(
        page.path == path and _reports(page.title, expected.grade) and expected.urgency in page.title for page in pages
    )


def _never_came(pages: Iterable[Page], deliveries: Mapping[str, str]) -> Iterable[str]:
    came = {page.id for page in pages}
    return (page for page, became in deliveries.items() if became == "sent" and page not in came)


def _retracts(title: str) -> bool:
    return "retracted" in title or "withdrawn" in title


def _groundless(patients: Iterable[Patient], by_patient: Mapping[str, list[Page]]) -> Iterable[str]:
    stories = {patient.name: patient.story for patient in patients}
    for name, pages in by_patient.items():
        story = stories.get(name)
        may = (*(expected.grade for expected in story.owed), *story.allowed) if story else ()
        for page in pages:
            retracts = story is not None and story.over and _retracts(page.title)
            if not retracts and not any(_reports(page.title, grade) for grade in may):
                yield page.title


def _not_retracted(
    patients: Iterable[Patient], by_patient: Mapping[str, list[Page]], still_open: Mapping[str, frozenset[str]]
) -> Iterable[str]:
    for patient in patients:
        if not patient.story.over:
            continue
        mine = [page.title for page in by_patient.get(patient.name, [])]
        notified = any(says(title, "CRS grade 1") for title in mine)
        if "crs" in still_open.get(patient.name, ()) or (notified and not any(map(_retracts, mine))):
            yield patient.name


def _delays(
    patients: Iterable[Patient], accepted: Iterable[Accepted], by_patient: Mapping[str, list[Page]]
) -> Iterable[float]:
    """From the moment the ground of a page was complete and accepted until the first phone had it."""
    complete: dict[tuple[str, str], float] = {}
    for message in accepted:
        key = (message.body["patient"], message.body["id"])
        complete[key] = max(complete.get(key, 0.0), message.at)
    for patient in patients:
        for expected in patient.story.owed:
            came = [page.at for page in by_patient.get(patient.name, []) if _reports(page.title, expected.grade)]
            if came:
                ready = max(complete.get((patient.name, message), 0.0) for message in patient.ground)
                yield max(0.0, min(came) - ready)

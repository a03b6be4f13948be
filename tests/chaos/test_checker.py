"""The judge is worth something only if it sees what it looks for: each kind of loss, put in by hand."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from tests.chaos.checker import Accepted, Page, State, Verdict, judge, value_of
from tests.chaos.scenario import STORIES, TRUNCATED_ID, Patient, patients
from tests.chaos.schedule import KILLS, schedule

AT = datetime(2024, 6, 14, 8, 0, tzinfo=UTC)


class Campaign:
    """A campaign in which all went well."""

    def __init__(self) -> None:
        self.patients: list[Patient] = patients(len(STORIES), seed=1)
        bodies = [body for patient in self.patients for body in patient.opening(AT)]
        bodies += [patient.onward(AT + timedelta(minutes=1)) for patient in self.patients]
        self.accepted = [Accepted(1000.0, body) for body in bodies]
        self.charted: dict[str, Counter[tuple[str, str]]] = {}
        self.pages: list[Page] = []
        self.acked: dict[str, str] = {}
        self.holders: dict[str, str] = {}
        self.deliveries: dict[str, str] = {}
        self.open: dict[str, frozenset[str]] = {}
        for patient in self.patients:
            self._live(patient, {body["id"]: body for body in bodies if body["patient"] == patient.name})

    def _live(self, patient: Patient, said: dict[str, dict[str, object]]) -> None:
        values = {number: value for number, body in said.items() if (value := value_of(body)) is not None}
        self.charted[patient.name] = Counter(values.items())
        for expected in patient.story.owed:
            for number, path in enumerate(("/phone-1", "/phone-2", "/phone-3")):
                if number == 0 or not patient.story.answered:
                    title = f"[{expected.urgency}] D0 HAEM-2/{patient.name}: {expected.grade}"
                    self.pages.append(Page(1002.0, path, f"{patient.name}.{number}", title))
                    self.deliveries[f"{patient.name}.{number}"] = "sent"
        if patient.story.answered:
            self.acked[patient.name] = self.holders[patient.name] = "haematologist-1"

    def verdict(self) -> Verdict:
        state = State(self.charted, self.holders, self.deliveries, self.open)
        return judge(self.patients, self.accepted, self.acked, self.pages, state)

    def faults(self) -> set[str]:
        return {name for name, found in self.verdict().faults.items() if found}

    def one(self, story: str) -> str:
        return next(patient.name for patient in self.patients if patient.story.name == story)


@pytest.fixture
def campaign() -> Campaign:
    return Campaign()


def test_where_all_went_well_it_finds_nothing(campaign: Campaign) -> None:
    verdict = campaign.verdict()
    assert campaign.faults() == set()
    assert (verdict.duplicates, set(verdict.delays)) == (0, {2.0})
    assert verdict.owed == len(campaign.pages)


def test_it_sees_a_message_that_is_not_in_the_chart(campaign: Campaign) -> None:
    campaign.charted["P0000"].popitem()
    assert campaign.faults() == {"messages lost"}


def test_it_sees_a_correction_that_was_lost(campaign: Campaign) -> None:
    name = campaign.one("corrected")
    entries = campaign.charted[name]
    del entries[f"{name} slip", "84"]
    entries[f"{name} slip", "124"] = 1
    assert campaign.faults() == {"messages lost"}


def test_it_sees_a_message_that_is_charted_twice(campaign: Campaign) -> None:
    entry = next(iter(campaign.charted["P0000"]))
    campaign.charted["P0000"][entry] += 1
    assert campaign.faults() == {"charted twice"}


@pytest.mark.parametrize("name", ["P0000", TRUNCATED_ID])
def test_it_sees_what_nobody_sent(campaign: Campaign, name: str) -> None:
    campaign.charted.setdefault(name, Counter())["made up", "1"] = 1
    assert campaign.faults() == {"charted without a message"}


@pytest.mark.parametrize("path", ["/phone-1", "/phone-3"])
def test_it_sees_a_page_that_never_came(campaign: Campaign, path: str) -> None:
    name = campaign.one("hypotension")
    campaign.pages = [page for page in campaign.pages if (name in page.title, page.path) != (True, path)]
    assert campaign.faults() == {"pages lost", "pages said to be sent that never came"}


@pytest.mark.parametrize(
    "before", ["[HIGH]: unregistered patient: would be CRS grade 2", "[HIGH] {name} (not registered) · would be CRS 2"]
)
def test_a_page_before_the_registration_counts_for_the_patient_of_its_episode(campaign: Campaign, before: str) -> None:
    name = campaign.one("hypotension")
    title = before.format(name=name)
    campaign.pages = [
        page._replace(title=title) if (name in page.title, page.path) == (True, "/phone-1") else page
        for page in campaign.pages
    ]
    assert campaign.faults() == set()


def test_an_unregistered_patient_s_page_of_another_episode_counts_for_nobody_else(campaign: Campaign) -> None:
    name = campaign.one("hypotension")
    campaign.pages = [page for page in campaign.pages if (name in page.title, page.path) != (True, "/phone-1")]
    campaign.pages.append(Page(1001.0, "/phone-1", "x.1", "[HIGH]: unregistered patient: would be CRS grade 2"))
    assert "pages lost" in campaign.faults()


def test_it_sees_a_page_of_too_little_urgency(campaign: Campaign) -> None:
    name = campaign.one("pressor")
    campaign.pages = [
        page._replace(title=page.title.replace("CRITICAL", "MEDIUM")) if name in page.title else page
        for page in campaign.pages
    ]
    assert campaign.faults() == {"pages lost"}


def test_it_sees_a_page_that_is_still_owed(campaign: Campaign) -> None:
    campaign.deliveries["P0000.9"] = "unknown"
    assert campaign.faults() == {"pages still owed"}


@pytest.mark.parametrize(
    ("story", "title"),
    [("well", "CRS grade 1"), ("fever", "CRS grade 2"), ("confused", "CRS grade 1"), ("fever", "CRS retracted")],
)
def test_it_sees_a_page_without_ground(campaign: Campaign, story: str, title: str) -> None:
    campaign.pages.append(Page(1001.0, "/phone-1", "x.1", f"[HIGH] D0 HAEM-2/{campaign.one(story)}: {title}"))
    assert campaign.faults() == {"pages without ground"}


@pytest.mark.parametrize(("was", "faults"), [(1, set()), (2, {"pages without ground"})])
def test_a_page_about_what_was_has_the_ground_of_what_was(campaign: Campaign, was: int, faults: set[str]) -> None:
    """A normal temperature came before the correction of the wrong one, and the ladder climbed meanwhile."""
    title = f"[MEDIUM] HAEM-2/{campaign.one('fever')} D0: CRS now 0 (was {was})"
    campaign.pages.append(Page(1001.0, "/phone-2", "x.1", title))
    assert campaign.faults() == faults


@pytest.mark.parametrize(
    ("instead", "faults"),
    [
        ("[HIGH] {}: CRS now 1 (was 2)", set()),
        ("[MEDIUM] {}: CRS now 1 (was 2)", {"pages lost"}),
        ("[HIGH] {}: CRS 1", {"pages lost"}),
    ],
)
def test_a_page_that_names_the_grade_as_what_was_counts_if_it_has_its_urgency(
    campaign: Campaign, instead: str, faults: set[str]
) -> None:
    name = campaign.one("corrected")
    campaign.pages = [
        page._replace(title=instead.format(name)) if (name in page.title, page.path) == (True, "/phone-1") else page
        for page in campaign.pages
    ]
    assert campaign.faults() == faults


def test_it_counts_a_page_that_came_twice(campaign: Campaign) -> None:
    campaign.pages.append(campaign.pages[0])
    verdict = campaign.verdict()
    assert campaign.faults() == set()
    assert verdict.duplicates_per_1000 == 1000 / (len(campaign.pages) - 1)


def test_it_sees_an_acknowledgement_that_was_forgotten(campaign: Campaign) -> None:
    campaign.holders[next(iter(campaign.acked))] = ""
    assert campaign.faults() == {"acknowledgements lost"}


def test_it_sees_a_page_that_was_not_retracted(campaign: Campaign) -> None:
    name = campaign.one("mistaken")
    page = Page(1001.0, "/phone-1", "m.1", f"[MEDIUM] D0 HAEM-2/{name}: CRS grade 1")
    campaign.pages.append(page)
    assert campaign.faults() == {"not retracted"}
    campaign.pages.append(page._replace(id="m.2", title=f"[LOW] D0 HAEM-2/{name}: CRS retracted"))
    assert campaign.faults() == set()
    campaign.open[name] = frozenset({"crs"})
    assert campaign.faults() == {"not retracted"}


def test_the_same_seed_is_the_same_schedule_and_every_kind_of_kill_is_in_it() -> None:
    one, other = (schedule(7, 100.0, len(KILLS)) for _ in range(2))
    assert [(blow.at, blow.kind) for blow in one] == [(blow.at, blow.kind) for blow in other]
    assert set(KILLS) <= {blow.kind for blow in one}
    assert all(0 < blow.at < 100 for blow in one)
    assert [blow.kind for blow in schedule(8, 100.0, len(KILLS))] != [blow.kind for blow in one]

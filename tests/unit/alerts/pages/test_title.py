"""The title of a page: who, what with its grade, and the numbers, shortened from the least important."""

from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from alerts.chart.admission import Admission
from alerts.chart.entry import Entry
from alerts.episodes.delivery_log import Reason
from alerts.episodes.episode import Episode
from alerts.episodes.lifecycle import apply_finding, now_at
from alerts.grading.result import Evidence
from alerts.pages.concern import UNREGISTERED, ChartCorrection, PageConcern, worst_first
from alerts.pages.title import Title, title
from alerts.rules.finding import Finding
from alerts.wording.phrase import Phrase, phrase
from config.site import Language, Urgency
from tests.support.charts import INFUSED, NOW, SITE, hours, reading

PLACE = Admission(effective=INFUSED, infused=INFUSED, ward="HAEM-2", bed="12")


def finding(level: int = 2, urgency: Urgency = "high", condition: str = "crs", **more: object) -> Finding:
    name = f"{condition.upper()} grade {level}"
    return Finding(condition=condition, level=level, urgency=urgency, title=Phrase(name), **more)  # type: ignore[arg-type]


def episode(said: Finding) -> Episode:
    opened = apply_finding("P1", None, None, said, NOW - hours(2), NOW, timedelta(hours=6)).episode
    assert opened is not None
    return opened


def concern(said: Finding, reason: Reason = "new") -> PageConcern:
    return PageConcern(episode(said), reason, said)


def lower(was: Finding, now: int | None, reason: Reason = "repeat", urgency: Urgency = "medium") -> PageConcern:
    """A concern whose newest assessment says less than its episode."""
    found = None if now is None else finding(now, urgency, was.condition)
    return PageConcern(now_at(episode(was), now, NOW), reason, found)


def shown(
    *concerns: PageConcern, patient: str = "P1", place: Admission | None = PLACE, language: Language = "en"
) -> str:
    return str(title(list(concerns), patient, place, 5, SITE, language))


# -- who -------------------------------------------------------------------------------------------


def test_a_title_names_place_patient_day_grade_and_numbers() -> None:
    signs = (Evidence(*reading("temperature", "38.9", NOW)), Evidence(*reading("systolic_bp", 84, NOW)))
    said = concern(finding(3, "critical", evidence=signs))
    assert shown(said) == "[CRITICAL] HAEM-2/12 P1 D+5 · CRS 3 · T 38.9 · SBP 84"
    assert shown(said, language="it") == "[CRITICO] HAEM-2/12 P1 G+5 · CRS 3 · T 38.9 · PAS 84"


def test_without_a_place_the_id_stands_in_the_title() -> None:
    assert shown(concern(finding()), place=None) == "[HIGH] P1 D+5 · CRS 2"


def test_two_patients_in_one_bed_do_not_share_a_title() -> None:
    assert shown(concern(finding())) != shown(concern(finding()), patient="P2")


def test_long_places_and_ids_keep_their_beginning_and_their_end() -> None:
    long = replace(PLACE, ward="Ematologia e Trapianto di Midollo Osseo - Degenza 2", bed="Stanza 12 letto B finestra")
    said = shown(concern(finding()), patient="0012345678901234567890-ROSSI-GIAMBATTISTA", place=long)
    assert said == "[HIGH] Ematologia…Degenza 2/Stanza 12…finestra 0012345678901234…SI-GIAMBATTISTA D+5 · CRS 2"


def test_a_page_about_no_patient_names_the_hospital_and_the_first_clause() -> None:
    silent = replace(
        episode(finding(1, "technical", "feed lab")), title=Phrase("nothing from lab; silence is not well")
    )
    assert shown(PageConcern(silent, "new", None), patient="", place=None) == (
        f"[TECHNICAL] {SITE.on_call.name} · nothing from lab"
    )


def test_of_a_patient_nobody_registered_the_title_says_so() -> None:
    said = finding()
    said = replace(said, title=phrase(UNREGISTERED, what=said.title))
    assert shown(concern(said), place=None) == "[HIGH] P1 D+5 (not registered) · would be CRS 2"


# -- what ------------------------------------------------------------------------------------------


def test_the_worst_is_said_first_and_the_others_are_named() -> None:
    several = [
        concern(finding(2)),
        concern(finding(4, "medium", "cytopenia", members=("platelets", "anemia"))),
        concern(finding(3, "critical", "icans")),
        concern(finding(3, "high", "febrile_neutropenia")),
    ]
    assert shown(*worst_first(several)).split(" · ")[1] == (
        "ICANS 3, CRS 2, febrile neutropenia 3, CTCAE 4 platelets/anaemia"
    )
    assert shown(*worst_first(several), language="it").split(" · ")[1] == (
        "ICANS 3, CRS 2, neutropenia febbrile 3, CTCAE 4 piastrine/anemia"
    )


def test_of_equal_urgency_the_higher_grade_leads() -> None:
    crs, icans = concern(finding(2, "critical")), concern(finding(3, "critical", "icans"))
    assert worst_first([crs, icans]) == [icans, crs]


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("new", "CRS 2"),
        ("repeat", "CRS 2 (repeat)"),
        ("handed_over", "CRS 2 (handed over)"),
        ("still_on_it", "CRS 2 (still on it?)"),
        ("recurrent", "CRS 2 (recurrent)"),
        ("resolved", "CRS 2 resolved"),
        ("retracted", "CRS 2 withdrawn"),
    ],
)
def test_the_title_says_why(reason: Reason, words: str) -> None:
    assert shown(concern(finding(), reason)).endswith(f" · {words}")


def test_a_worsening_says_what_it_was() -> None:
    worse = replace(concern(finding(3), "worse"), episode=replace(episode(finding(3)), was=1))
    assert shown(worse).endswith(" · CRS 3 (was 1)")


# -- the grade in force ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "words"), [(1, "CRS now 1 (was 3)"), (0, "CRS now 0 (was 3)"), (None, "CRS undetermined (was 3)")]
)
def test_the_title_names_the_grade_of_the_newest_assessment(now: int | None, words: str) -> None:
    assert words in shown(lower(finding(3, "critical"), now))


@pytest.mark.parametrize(
    ("now", "urgency", "expected"),
    [(2, "high", "high"), (1, "medium", "medium"), (0, "medium", "low"), (None, "low", "critical")],
)
def test_a_repeat_is_as_urgent_as_what_is_so_now(now: int | None, urgency: Urgency, expected: str) -> None:
    assert lower(finding(3, "critical"), now, urgency=urgency).urgency == expected


def test_what_nobody_was_notified_of_yet_is_as_urgent_as_its_episode() -> None:
    assert lower(finding(3, "critical"), 1, "new").urgency == "critical"


def test_whoever_has_it_is_asked_with_at_most_medium_urgency() -> None:
    assert concern(finding(4, "critical"), "still_on_it").urgency == "medium"
    assert concern(finding(1, "low"), "still_on_it").urgency == "low"


def test_counts_that_are_no_longer_low_are_said_to_be_so() -> None:
    counts = finding(4, "medium", "cytopenia", members=("platelets",))
    assert shown(lower(counts, 0)).endswith("· CTCAE 4 platelets (no longer) (repeat)")


# -- numbers ---------------------------------------------------------------------------------------


def test_what_happened_stands_before_the_readings_and_in_every_repeat() -> None:
    fell = finding(
        3,
        "critical",
        "icans",
        events=(Phrase("ICE fell by 9, from 10 to 1"),),
        evidence=(Evidence(*reading("ice", 1)),),
    )
    assert shown(concern(fell)).endswith(" · ICANS 3 · ICE fell by 9, from 10 to 1")
    later = replace(fell, events=())
    again = PageConcern(episode(fell), "repeat", later)
    assert shown(again).endswith(" · ICANS 3 (repeat) · ICE fell by 9, from 10 to 1")


def test_a_retraction_says_what_was_corrected() -> None:
    before = Entry(NOW, "lis", "p", value=Decimal(18))
    change = ChartCorrection("platelets", before, replace(before, value=Decimal(180)), NOW, "lis")
    taken = replace(concern(finding(4, "low", "cytopenia", members=("platelets",)), "retracted"), changes=(change,))
    assert shown(taken).endswith("· CTCAE 4 platelets withdrawn · PLT 18 corrected to 180")
    error = replace(taken, changes=(replace(change, after=None),))
    assert shown(error).endswith("· PLT 18 entered in error")


# -- room ------------------------------------------------------------------------------------------

PARTS = Title("[HIGH] 12 P1", ("ICANS 3", "CRS 2", "FN 3"), ("ICE 1", "T 38.9"))


@pytest.mark.parametrize(
    ("most", "words"),
    [
        (100, "[HIGH] 12 P1 · ICANS 3, CRS 2, FN 3 · ICE 1 · T 38.9"),
        (45, "[HIGH] 12 P1 · ICANS 3, CRS 2, FN 3 · ICE 1"),
        (36, "[HIGH] 12 P1 · ICANS 3, CRS 2, FN 3"),
        (33, "[HIGH] 12 P1 · ICANS 3, CRS 2 +1"),
        (26, "[HIGH] 12 P1 · ICANS 3 +2"),
        (5, "[HIGH] 12 P1 · ICANS 3 +2"),
    ],
)
def test_a_title_is_shortened_from_the_least_important_part(most: int, words: str) -> None:
    assert PARTS.within(lambda form: len(form) <= most) == words


def test_a_title_without_findings_is_who_alone() -> None:
    assert str(Title("[TEST]")) == Title("[TEST]").within(lambda _: False) == "[TEST]"

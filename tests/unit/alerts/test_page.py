"""The words of one page."""

from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from alerts.admission import Admission
from alerts.assessment import assess
from alerts.chart import Chart
from alerts.entry import Entry
from alerts.episodes import Episode, Reason, follow
from alerts.finding import Finding
from alerts.grading.result import Evidence
from alerts.page import DISCLAIMER, Concern, clock, minimal_text, most_urgent_first, shown, text, title
from config.site import Urgency
from tests.unit.alerts.builders import INFUSED, NOW, SITE, chart, day, dose, hours, reading


def finding(level: int = 2, urgency: Urgency = "high", condition: str = "crs", **more: object) -> Finding:
    name = f"{condition.upper()} grade {level}"
    return Finding(condition=condition, level=level, urgency=urgency, title=name, **more)  # type: ignore[arg-type]


def episode(said: Finding) -> Episode:
    opened = follow("P1", None, None, said, NOW - hours(2), NOW, timedelta(hours=6)).episode
    assert opened is not None
    return opened


def concern(said: Finding, reason: Reason = "new") -> Concern:
    return Concern(episode(said), reason, said)


def page_text(*concerns: Concern, folded: Chart | None = None) -> str:
    folded = folded or chart(reading("temperature", "38.5", NOW), reading("ice", 9, NOW))
    return text(list(concerns), folded, assess(folded, NOW, SITE), SITE, at=NOW, page="e.1")


# -- title -----------------------------------------------------------------------------------------


def test_the_most_urgent_concern_leads() -> None:
    medium, critical = concern(finding(1, "medium")), concern(finding(3, "critical", "icans"))
    assert most_urgent_first([medium, critical]) == [critical, medium]


def test_of_equally_urgent_concerns_the_first_leads() -> None:
    one, other = concern(finding()), concern(finding(condition="icans"))
    assert most_urgent_first([one, other]) == [one, other]


def test_the_title_says_urgency_day_place_what_and_why() -> None:
    folded = chart().admit(Admission(effective=INFUSED, infused=INFUSED, ward="HAEM-2", bed="12"))
    concerns = [concern(finding(3, "critical", "icans"), "worse"), concern(finding(2))]
    assert title(concerns, folded, assess(folded, NOW, SITE)) == (
        "[CRITICAL] D+5 HAEM-2/12: ICANS grade 3 (worse); CRS grade 2 (new)"
    )


@pytest.mark.parametrize(("since", "shown_day"), [(0, "D0"), (1, "D+1"), (-2, "D-2")])
def test_the_day_is_counted_from_the_infusion(since: int, shown_day: str) -> None:
    folded = chart()
    assert f" {shown_day}" in title([concern(finding())], folded, assess(folded, day(since), SITE))


def test_without_an_infusion_and_a_place_the_title_is_shorter() -> None:
    folded = chart(infused=None)
    assert title([concern(finding())], folded, assess(folded, NOW, SITE)) == "[HIGH]: CRS grade 2 (new)"


def test_a_minimal_page_names_only_urgency_and_page() -> None:
    heading, body = minimal_text([concern(finding(3, "critical", "icans"))], "e.1")
    assert heading == "[CRITICAL] cartwatch page e.1"
    assert "ICANS" not in body
    assert DISCLAIMER in body


# -- text ------------------------------------------------------------------------------------------


def test_the_text_begins_with_the_time_on_the_wards_clock_and_the_pages_id() -> None:
    assert page_text(concern(finding())).startswith("17 Jun 2024 10:00, page e.1\n")


def test_the_text_says_since_when_and_at_what_level_it_was_before() -> None:
    worse = replace(episode(finding(2)), was=1)
    shown_text = page_text(Concern(worse, "worse", finding(2)))
    assert "CRS grade 2 (worse), since 17 Jun 2024 08:00, before: 1" in shown_text


def test_a_repeat_does_not_say_what_was_before() -> None:
    assert "before:" not in page_text(Concern(replace(episode(finding(2)), was=1), "repeat", finding(2)))


def test_reasons_readings_what_is_missing_remarks_and_conventions_all_stand_on_the_page() -> None:
    said = finding(
        because=("systolic 84 < 90",),
        evidence=(Evidence(*reading("systolic_bp", 84, NOW)),),
        missing=("vasopressor",),
        flags=("day 16: attribution to be confirmed",),
        proxies=("crs.hypotension_systolic",),
        provisional=True,
    )
    lines = page_text(concern(said)).splitlines()
    assert "  provisional: at least this grade" in lines
    assert "  because systolic 84 < 90" in lines
    assert "  readings: systolic pressure 84 mmHg (17 Jun 2024 10:00, ward)" in lines
    assert "  missing: vasopressor" in lines
    assert "  note: day 16: attribution to be confirmed" in lines
    convention = SITE.proxies.crs.hypotension_systolic.basis
    assert f"  conventions: {convention} (crs.hypotension_systolic)" in lines


def test_a_concern_without_a_finding_is_one_line() -> None:
    alone = page_text(Concern(replace(episode(finding()), title="CRS resolved"), "resolved", None))
    assert "because" not in alone
    assert "\nCRS resolved, since 17 Jun 2024 08:00\n" in alone


def test_the_background_gives_both_grades_and_the_doses() -> None:
    folded = chart(reading("temperature", "38.5", NOW), dose("tocilizumab", NOW - hours(3)))
    shown_text = page_text(concern(finding()), folded=folded)
    assert "Now: CRS 1, ICANS undetermined" in shown_text
    assert "Given: tocilizumab 1 of 4 doses (1 of 3 in 24 h, the last 3 h ago)" in shown_text


def test_the_background_gives_m_easix_where_there_is_one() -> None:
    assert "m-EASIX" not in page_text(concern(finding()))
    sample = (reading("ldh", 320, NOW), reading("crp", 85, NOW), reading("platelets", 45, NOW))
    folded = chart(*sample, dose("tocilizumab", NOW - hours(3)))
    assert "m-EASIX 60.44, log2 5.92 (after tocilizumab, confounded)" in page_text(concern(finding()), folded=folded)


@pytest.mark.parametrize(
    ("reason", "reminded"),
    [("new", True), ("worse", True), ("recurrent", True), ("repeat", False), ("resolved", False)],
)
def test_the_protocol_line_is_quoted_with_its_source_when_there_is_news(reason: Reason, reminded: bool) -> None:
    line = "Protocol reminder (ASCO guideline, pocket edition): tocilizumab 8 mg/kg"
    assert (line in page_text(concern(finding(2), reason))) is reminded


def test_a_condition_without_a_protocol_line_quotes_none() -> None:
    assert "Protocol reminder" not in page_text(concern(finding(4, "medium", "cytopenia")))


@pytest.mark.parametrize(
    ("urgency", "asked"), [("critical", True), ("medium", True), ("technical", True), ("low", False)]
)
def test_the_page_says_how_to_acknowledge_where_an_answer_is_awaited(urgency: Urgency, asked: bool) -> None:
    said = concern(finding(1, urgency))
    assert (f"Acknowledge: cartwatch ack {said.episode.id}" in page_text(said)) is asked


def test_every_page_ends_by_saying_what_it_is_not() -> None:
    assert page_text(concern(finding())).endswith(DISCLAIMER)


def test_a_page_of_the_site_has_no_background() -> None:
    said = concern(finding(1, "technical", "intake lab"))
    shown_text = text([said], Chart(), None, SITE, at=NOW, page="e.1")
    assert "Now:" not in shown_text
    assert "Given:" not in shown_text


# -- readings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (reading("temperature", "38.50", NOW), "temperature 38.5 °C"),
        (reading("neutrophils", "<0.1", NOW), "neutrophils (ANC) <0.1 ×10⁹/L"),
        (reading("platelets", 100, NOW), "platelets 100 ×10⁹/L"),
        (reading("ice", 1, NOW), "ICE 1"),
        (reading("oxygen_device", "high_flow_nasal_cannula", NOW), "oxygen device high flow nasal cannula"),
        (("hypotension", Entry(NOW, "ward", "s", code="true")), "hypotension yes"),
        (("hypotension", Entry(NOW, "ward", "s", code="false")), "hypotension no"),
        (
            ("tocilizumab", Entry(NOW, "ward", "t", value=Decimal(480), code="given", unit="mg")),
            "tocilizumab 480 mg given",
        ),
        (("norepinephrine", Entry(NOW, "ward", "t", code="started")), "norepinephrine started"),
        (
            ("platelets", Entry(NOW, "ward", "p", value=Decimal(26), sent="26000 /mm3")),
            "platelets 26 ×10⁹/L (sent as 26000 /mm3)",
        ),
    ],
)
def test_a_reading_is_shown_with_value_unit_time_and_source(item: tuple[str, Entry], words: str) -> None:
    assert shown(Evidence(*item), SITE) == f"{words} (17 Jun 2024 10:00, ward)"


def test_the_clock_is_that_of_the_hospital() -> None:
    assert clock(NOW, SITE) == "17 Jun 2024 10:00"

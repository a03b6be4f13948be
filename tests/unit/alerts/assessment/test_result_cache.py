"""What is carried on to the next assessment, and what is dropped and computed anew."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts.assessment.assessment import assess, assess_onward
from alerts.assessment.result_cache import ResultCache
from alerts.chart.chart import Chart
from alerts.chart.charting import chart_message
from alerts.messages import AnyMessage
from config.conventions import Conventions
from config.site import Site
from config.vocabulary import READINGS
from tests.support.ward import SITE, changed, message
from tests.support.wording import english

INFUSED = datetime(2024, 6, 12, 8, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def registered() -> AnyMessage:
    return message("registration", INFUSED - 9 * DAY, id="r", source="ehr", infused=INFUSED)


def held(*coming: AnyMessage, at: datetime = INFUSED + DAY) -> tuple[Chart, ResultCache]:
    """A chart and what is held of it at a time."""
    chart = Chart()
    for item in (registered(), *coming):
        chart = chart_message(chart, item, at, SITE).chart
    return chart, assess_onward(chart, at, SITE, ResultCache())[1]


def lab(kind: str, value: str, at: datetime = INFUSED + DAY, **fields: Any) -> AnyMessage:
    fields = {"unit": READINGS[kind].unit, **fields}
    return message("reading", at, source="lab", reading=kind, value=value, **fields)


def after(chart: Chart, kept: ResultCache, *coming: AnyMessage) -> ResultCache:
    then = chart
    for item in coming:
        then = chart_message(then, item, item.effective, SITE).chart
    return kept.after(chart, then)


def dropped(before: ResultCache, now: ResultCache) -> set[str]:
    systems = ("ctcae", "easix", "hematotox", "icaht", "icans")
    return {name for name in systems if getattr(before, name) is not None and getattr(now, name) is None}


def test_a_vital_sign_leaves_all_that_is_held() -> None:
    chart, kept = held(lab("platelets", "90"))
    pulse = message("reading", INFUSED + DAY, reading="heart_rate", value="90", unit="/min", by="monitor")
    assert after(chart, kept, pulse) == kept


@pytest.mark.parametrize(
    ("kind", "systems"),
    [
        ("platelets", {"ctcae", "easix", "hematotox"}),
        ("neutrophils", {"ctcae", "hematotox", "icaht"}),
        ("ldh", {"easix"}),
        ("ice", {"icans"}),
    ],
)
def test_a_reading_drops_the_systems_that_look_at_it(kind: str, systems: set[str]) -> None:
    chart, kept = held()
    assert dropped(kept, after(chart, kept, lab(kind, "9"))) == systems


def test_a_rejected_value_drops_what_would_name_it() -> None:
    chart, kept = held()
    refused = message("reading", INFUSED + DAY, reading="ldh", value="300", by="laboratory")
    assert dropped(kept, after(chart, kept, refused)) == {"easix"}


def test_a_registration_that_says_something_new_drops_everything() -> None:
    chart, kept = held()
    assert after(chart, kept, message("registration", INFUSED + DAY, infused=INFUSED + DAY)) == ResultCache()


def test_a_registration_that_is_repeated_drops_nothing() -> None:
    chart, kept = held()
    assert after(chart, kept, registered()) == kept


def under(**changes: dict[str, object]) -> Site:
    """The site with some values of some sections of its conventions changed."""
    body = SITE.conventions.model_dump()
    for section, values in changes.items():
        for name, value in values.items():
            body[section][name]["value"] = value
    return SITE._replace(conventions=Conventions.model_validate(body))


def test_what_was_held_under_other_conventions_is_computed_anew() -> None:
    at = INFUSED + 3 * DAY
    chart, kept = held(lab("platelets", "90", low="150"), at=at)
    site = under(chart={"laboratory_holds": DAY})
    carried, _ = assess_onward(chart, at, site, kept)
    assert carried.ctcae["platelets"].grade is None
    assert carried == assess(chart, at, site)


def test_nothing_that_another_release_graded_is_carried_on() -> None:
    at = INFUSED + 3 * DAY
    chart, kept = held(lab("platelets", "90", low="150"), at=at)
    _, anew = assess_onward(chart, at, SITE._replace(release="a later one"), kept)
    assert anew.ctcae is not kept.ctcae


def code(kind: str, value: object, at: datetime) -> AnyMessage:
    return message("reading", at, reading=kind, value=value, by="person")


def said(statement: str, at: datetime) -> AnyMessage:
    return message("statement", at, statement=statement, value=True, by="person")


THEN = INFUSED + 4 * DAY
"""In the middle of a day, so that no other date hides that a window has lapsed."""


@pytest.mark.parametrize(
    ("coming", "lapses"),
    [
        ([lab("platelets", "90", THEN, low="150")], 7 * DAY),
        ([lab("ldh", "300", THEN), lab("platelets", "90", THEN + DAY), lab("crp", "9", THEN + DAY)], 7 * DAY),
        ([lab("ferritin", "900", THEN, unit=None)], 7 * DAY),
        ([lab("ferritin", "900", INFUSED - 16 * DAY)], INFUSED - 2 * DAY - THEN),
        ([code("ice", 6, THEN)], DAY),
        ([code("seizure", "brief", THEN)], DAY),
        ([said("consciousness_other_cause", THEN), code("consciousness", "touch", THEN + 60 * HOUR)], 3 * DAY),
    ],
)
def test_what_falls_out_of_a_window_is_missed_at_once(coming: list[AnyMessage], lapses: timedelta) -> None:
    last = THEN + lapses
    fever = message("reading", INFUSED + HOUR, reading="temperature", value="38.6", unit="Cel", by="person")
    chart, kept = held(fever, *coming, at=last)
    carried, _ = assess_onward(chart, last + INSTANT, SITE, kept)
    assert carried == assess(chart, last + INSTANT, SITE)


def test_the_infusion_itself_parts_two_stretches() -> None:
    before = [lab("creatinine", "0.9", INFUSED - 2 * DAY, high="1.2"), lab("platelets", "90", INFUSED - 2 * DAY)]
    chart, kept = held(*before, at=INFUSED - HOUR)
    carried, _ = assess_onward(chart, INFUSED + HOUR, SITE, kept)
    assert carried == assess(chart, INFUSED + HOUR, SITE)
    assert "baseline" in english(carried.ctcae["creatinine"].because)[0]


def test_another_date_is_another_day_since_infusion() -> None:
    chart, kept = held(at=THEN)
    for clock_goes_on in (13 * HOUR, 14 * HOUR):
        carried, kept = assess_onward(chart, THEN + clock_goes_on, SITE, kept)
        assert carried == assess(chart, THEN + clock_goes_on, SITE)


def test_the_only_result_of_its_kind_withdrawn_is_no_longer_held() -> None:
    only = lab("platelets", "90")
    chart, kept = held(only)
    withdrawn = changed(only, status="entered_in_error", received=INFUSED + DAY)
    assert "ctcae" in dropped(kept, after(chart, kept, withdrawn))


def test_nothing_is_computed_again_while_it_stands() -> None:
    at = INFUSED + DAY
    chart, kept = held(lab("platelets", "90", low="150"), at=at)
    _, later = assess_onward(chart, at + 7 * HOUR, SITE, kept)
    assert later.ctcae is kept.ctcae
    assert later.easix is kept.easix

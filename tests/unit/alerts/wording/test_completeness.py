"""Whatever is charted, an Italian reader finds no English sentence of a grader, a rule or a fault."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from alerts.assessment.assessment import assess
from alerts.assessment.dose_ledger import ledger
from alerts.chart.chart import Chart
from alerts.chart.charting import INFUSION_AHEAD, NOT_RETRACTED
from alerts.chart.contents import RejectedValue
from alerts.chart.quantities import Unusable, canonical
from alerts.episodes.episode import opened
from alerts.message_fields import Status
from alerts.message_json import read_message
from alerts.pages.concern import LATE
from alerts.pages.context import context, next_tocilizumab
from alerts.rules.finding import RuleMemory
from alerts.rules.run import findings
from alerts.step.system_faults import gap_fault, intake_fault, undeliverable_fault
from alerts.wording.catalogue import render
from alerts.wording.phrase import Name, Phrase, phrase
from config.vocabulary import DRUGS, READINGS, STATEMENTS, Sort
from tests.support.charts import (
    INFUSED,
    NOW,
    SITE,
    Item,
    absent,
    chart,
    dose,
    hours,
    reading,
    statement,
)
from tests.support.italian_reader import assert_italian

FREE = "zz zz"
"""What a person wrote: it is kept."""


IDENTIFIER = re.compile(r"[a-z]_[a-z]|\b(?:spo2|crp|ldh|igg|Cel|mm\[Hg\]|10\*9|ug)\b|placeholder")
"""What only code and messages call by such a name."""

# -- charts ----------------------------------------------------------------------------------------

VALUES = {
    "temperature": "36.5 37.9 38.0 38.4 39.2 40.5",
    "systolic_bp": "70 84 95 120",
    "mean_bp": "50 60 80",
    "spo2": "80 87 91 97",
    "oxygen_flow": "0 2 6 9",
    "fio2": "21 40",
    "platelets": "0 5 15 40 60 100 175 200",
    "neutrophils": "0 0.05 0.1 0.4 0.5 0.9 1.2 2",
    "hemoglobin": "7 8.5 9.0 11 14",
    "white_cells": "0.5 1.5 2.5 3.5",
    "crp": "0 10 30 85",
    "ferritin": "300 650 1500 5000 20000 50000",
    "creatinine": "0.5 0.9 1.6 3.5 8",
    "alt": "20 60 180 300 2000",
    "fibrinogen": "20 60 100 140 180 300",
    "inr": "1 1.3 2 3",
    "igg": "300 400 600",
}
LIMITS: dict[str, tuple[object, object]] = {
    "platelets": (150, 400),
    "neutrophils": ("1.8", 7),
    "hemoglobin": (12, 16),
    "white_cells": (4, 10),
    "alt": (0, 40),
    "ast": (0, 40),
    "creatinine": ("0.6", "1.2"),
    "bilirubin": ("0.2", "1.2"),
    "inr": ("0.8", "1.2"),
    "fibrinogen": (200, 400),
    "ferritin": (20, 300),
}
NUMBERED = [kind.name for kind in READINGS.values() if kind.sort in (Sort.VITAL, Sort.LABORATORY)]
CODED = [(kind.name, code) for kind in READINGS.values() for code in kind.codes]
BY = ["person", "cuff", "arterial_line", "monitor", "patch", "device", "laboratory"]
ITEMS = "year 1, month 0, city 1, hospital 1, naming 2, command 1, writing 0, attention 0"
REASONS = (
    Phrase("the effective time lies in the future"),
    Phrase("the unit is missing"),
    phrase(
        "{what} is not plausible (artefact limits {n} to {n2})",
        what=phrase("{what} {amount}", what=Name("temperature"), amount="18 °C"),
        n=25,
        n2=45,
    ),
)


@st.composite
def charted(draw: st.DrawFn, end: datetime, minutes: int) -> Item:
    at = end - timedelta(minutes=draw(st.integers(0, minutes)))
    match draw(st.integers(0, 9)):
        case 0:
            return statement(draw(st.sampled_from(STATEMENTS)), draw(st.booleans()), at)
        case 1:
            kind, entry = dose(draw(st.sampled_from(DRUGS)), at, draw(st.sampled_from(["given", "started", "stopped"])))
            amount, unit = draw(st.sampled_from([(None, "mg"), (Decimal(10), "mg"), (Decimal(500), "mL")]))
            return kind, replace(entry, value=amount, unit=unit, note=draw(st.sampled_from(["", "prophylaxis"])))
        case 2:
            kind, code = draw(st.sampled_from(CODED))
            return reading(kind, code, at)
        case 3:
            kind, entry = reading("ice", draw(st.integers(0, 10)), at)
            return kind, replace(entry, by=draw(st.sampled_from(BY)), note=draw(st.sampled_from(["", ITEMS])))
        case 4:
            return reading("capd", draw(st.integers(0, 32)), at)
        case 5:
            return absent(draw(st.sampled_from(list(READINGS))), draw(st.sampled_from(["", FREE])), at)
    return draw(measured(at))


@st.composite
def measured(draw: st.DrawFn, at: datetime) -> Item:
    kind = draw(st.sampled_from(NUMBERED))
    low, high = LIMITS.get(kind, (None, None)) if draw(st.booleans()) else (None, None)
    value = draw(st.sampled_from(["", "", "", "", "<", "<=", ">", ">="]))
    value += draw(st.sampled_from(VALUES.get(kind, "0.3 1 4 30 140").split()))
    status = draw(st.sampled_from([Status.PRELIMINARY, Status.FINAL, Status.FINAL]))
    name, entry = reading(kind, value, at, low=low, high=high, status=status)
    return name, replace(entry, by=draw(st.sampled_from(BY)), unusual=draw(st.sampled_from([False, False, True])))


@st.composite
def reject(draw: st.DrawFn, end: datetime) -> RejectedValue:
    kind = draw(st.sampled_from(list(READINGS)))
    at = end - timedelta(minutes=draw(st.integers(0, 600)))
    return RejectedValue(at, kind, "9 qq", draw(st.sampled_from(REASONS)), "lab", f"{kind} 9 qq")


@st.composite
def patients(draw: st.DrawFn) -> tuple[Chart, datetime]:
    end = NOW + hours(24 * draw(st.sampled_from([-8, 0, 0, 12, 40])))
    minutes = 60 * draw(st.sampled_from([2, 24, 24 * 8, 24 * 40]))
    return (
        chart(
            *draw(st.lists(charted(end, minutes), max_size=40)),
            infused=draw(st.sampled_from([INFUSED, INFUSED, INFUSED, None])),
            born=draw(st.sampled_from([None, date(2018, 1, 1), date(1960, 1, 1)])),
            rejected=tuple(draw(st.lists(reject(end), max_size=2))),
        ),
        end,
    )


def phrases(patient: Chart, at: datetime) -> Iterator[Phrase]:
    """Everything that graders, rules and the ledger say of a patient."""
    now = assess(patient, at, SITE)
    results = (*now.grades().values(), now.easix, now.s_easix)
    for result in results:
        yield from (*result.because, *result.missing, *result.flags)
    for found in findings(RuleMemory(ice=10), now, patient, SITE):
        yield from (phrase(LATE, what=found.title), *found.because, *found.missing, *found.flags, *found.events)
    given_so_far = ledger(patient, at, SITE)
    yield from (given_so_far.sentence(), given_so_far.room(at), next_tocilizumab(patient, given_so_far, at, SITE).text)
    for condition in ("crs", "icans"):
        ill = opened(condition, condition, 1, "new", title=Phrase(""), level=2, urgency="high", at=at, now=at)
        yield from (line.text for line in context(patient, at, SITE, [ill], whole=True))


@settings(max_examples=150)
@given(patients())
def test_everything_said_of_a_chart_is_in_the_catalogue(patient: tuple[Chart, datetime]) -> None:
    for said in phrases(*patient):
        assert_italian(said)
        for language in ("en", "it"):
            text = render(said, language, SITE.zone)
            assert not IDENTIFIER.search(text), text


# -- technical trouble -----------------------------------------------------------------------------

READING = read_message(
    '{"type":"reading","id":"m1","source":"lab-7","patient":"P1","effective":"2024-06-15T06:00:00+02:00",'
    '"reading":"crp","value":"85"}'
)
RECEIPT = read_message(
    '{"type":"receipt","id":"x1","source":"delivery","patient":"P1","effective":"2024-06-15T06:00:00+02:00",'
    '"page":"e.1","channel":"phone-1","outcome":"undeliverable"}'
)


@pytest.mark.parametrize(
    ("kind", "number", "unit"),
    [
        ("crp", "85", None),
        ("crp", "85", "furlong"),
        ("temperature", "18", "Cel"),
        ("temperature", "300", "K"),
        ("spo2", "97", "1"),
        ("hemoglobin", "12", "g/L"),
        ("platelets", "45000", "10*9/L"),
    ],
)
def test_a_message_that_cannot_be_used_is_reported_with_its_reason(kind: str, number: str, unit: str | None) -> None:
    with pytest.raises(Unusable) as refused:
        canonical(kind, Decimal(number), unit, SITE.tables)
    what = intake_fault(READING, refused.value.said, NOW).what
    assert_italian(what)
    assert render(what, "it", UTC).startswith("messaggi da lab-7 non utilizzabili: ")


@pytest.mark.parametrize(
    "words",
    [
        undeliverable_fault(RECEIPT, NOW).what,  # type: ignore[arg-type]
        gap_fault("second_on_call", NOW).what,
        intake_fault(READING, INFUSION_AHEAD, NOW).what,
        intake_fault(READING, NOT_RETRACTED, NOW).what,
    ],
)
def test_technical_trouble_is_reported_in_the_readers_language(words: Phrase) -> None:
    assert_italian(words)


def test_what_a_service_answered_is_kept_and_no_line_begins_in_it() -> None:
    receipt = RECEIPT.model_copy(update={"detail": phrase("{what}", what="HTTP 503\nfrom the service")})
    what = undeliverable_fault(receipt, NOW).what  # type: ignore[arg-type]
    assert render(what, "it", UTC) == ("gli avvisi non arrivano sul canale phone-1: HTTP 503\\nfrom the service")


def test_a_fault_and_its_phrase_survive_the_inbox() -> None:
    sent = intake_fault(READING, INFUSION_AHEAD, NOW)
    assert read_message(sent.model_dump_json(exclude_none=True)) == sent

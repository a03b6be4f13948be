"""A simulated cohort lies near the curves of the real one, and the same seed gives the same bytes.

The real one: Amidi et al., J Immunother Cancer 2022;10:e005459 (205 patients, daily values).
"""

from collections import Counter
from statistics import median, quantiles
from typing import NamedTuple

import msgspec
import pytest

from worker.quality.assumptions import PRODUCTS, assumptions
from worker.quality.cohort import CohortPlan, decoded, generator, lived, simulate
from worker.quality.course import DAY, HOUR
from worker.quality.sampling import CHARTINGS
from worker.quality.stream import Stay, read
from worker.quality.truth import Truth, spells

PATIENTS = 300


class Day(NamedTuple):
    """What was published of one day: shares in per cent, medians."""

    febrile: float
    crp: float
    ferritin: float
    white_cells: float
    icans: float
    severe_icans: float


PUBLISHED = {
    0: Day(14, 17.6, 665, 1.92, 0, 0),
    1: Day(38, 17, 695, 1.82, 1, 0),
    2: Day(35, 46, 736, 0.84, 2, 0),
    3: Day(38, 51, 866, 0.57, 4, 0),
    4: Day(53, 48, 951, 0.80, 4, 0),
    5: Day(58, 46, 1121, 2.1, 14, 4),
    6: Day(64, 44, 1288, 3.3, 22, 6),
    7: Day(42, 32, 1344, 4.3, 29, 6),
    8: Day(31, 17, 1422, 4.5, 31, 12),
    9: Day(16, 12, 1425, 4.4, 31, 10),
    10: Day(16, 9, 1446, 4.2, 33, 13),
    12: Day(8, 4.9, 1308, 3.4, 34, 9),
    14: Day(3, 2.9, 1361, 2.8, 32, 6),
}

SHARE_TOLERANCE = 13.0
"""Percentage points: two standard errors of 205 patients at a half, and those of the 300 simulated."""

MEDIAN_TOLERANCE = 0.30
"""Of the published median: the standard error of a lognormal's median at sigma 1.4 and 300 patients is 10 %."""


@pytest.fixture(scope="module")
def cohort() -> list[Truth]:
    plan = CohortPlan("cohort", "ward", 15, 7)
    return [lived(plan, number) for number in range(PATIENTS)]


def share(cohort: list[Truth], day: int, series: str, least: int = 1) -> float:
    """Per cent of patients in whom a series comes to a value on a day."""
    hours = slice((day + 1) * DAY, (day + 2) * DAY)
    return 100 * sum(bool((getattr(one, series)[hours] >= least).any()) for one in cohort) / len(cohort)


def middle(cohort: list[Truth], day: int, kind: str) -> float:
    return median(
        one.laboratory(kind, (day + 1) * DAY + 6 * HOUR, generator(7, number, f"{kind} {day}"))
        for number, one in enumerate(cohort)
    )


@pytest.mark.parametrize("day", PUBLISHED)
def test_the_febrile_and_icans_shares_of_a_day_are_near_the_published(cohort: list[Truth], day: int) -> None:
    published = PUBLISHED[day]
    assert share(cohort, day, "fever") == pytest.approx(published.febrile, abs=SHARE_TOLERANCE)
    assert share(cohort, day, "icans") == pytest.approx(published.icans, abs=SHARE_TOLERANCE)
    assert share(cohort, day, "icans", 3) == pytest.approx(published.severe_icans, abs=SHARE_TOLERANCE / 2)


@pytest.mark.parametrize("kind", ["crp", "ferritin", "white_cells"])
def test_laboratory_medians_are_near_the_published(cohort: list[Truth], kind: str) -> None:
    for day, published in PUBLISHED.items():
        assert middle(cohort, day, kind) == pytest.approx(getattr(published, kind), rel=MEDIAN_TOLERANCE), day


def test_crs_has_the_published_peaks_and_onset(cohort: list[Truth]) -> None:
    peaks = Counter(int(one.crs.max()) for one in cohort)
    for grade, published in enumerate((73, 46, 78, 7, 1)):
        assert 205 * peaks[grade] / len(cohort) == pytest.approx(published, abs=205 * SHARE_TOLERANCE / 200)
    onsets = [min(one.start for one in truth.onsets if one.condition == "crs") for truth in cohort if truth.crs.any()]
    low, mid, high = quantiles([onset // DAY - 1 for onset in onsets], n=4)
    assert (low, mid, high) == pytest.approx((1, 2, 4), abs=1)


def test_icans_has_the_published_rate_onset_and_its_severe_share(cohort: list[Truth]) -> None:
    ill = [truth for truth in cohort if truth.icans.any()]
    assert len(ill) / len(cohort) == pytest.approx(99 / 205, abs=0.08)
    onsets = [min(one.start for one in truth.onsets if one.condition == "icans") // DAY - 1 for truth in ill]
    low, mid, high = quantiles(onsets, n=4)
    assert (low, mid, high) == pytest.approx((5, 6, 9), abs=1.5)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    plan = CohortPlan("cohort", "monitor", 2, 3)
    assert simulate(plan, 5) == simulate(plan, 5)
    assert simulate(plan, 5).lines != simulate(plan._replace(seed=4), 5).lines


def test_a_patient_does_not_depend_on_how_many_there_are_nor_on_who_measures() -> None:
    ward, monitor = (lived(CohortPlan("cohort", charting, 3, 1), 2) for charting in ("ward", "monitor"))
    assert (ward.temperature == monitor.temperature).all()
    assert ward.onsets == monitor.onsets


@pytest.mark.parametrize("charting", CHARTINGS)
def test_every_line_is_a_native_message(charting: str) -> None:
    plan = CohortPlan("axi-cel", next(one for one in CHARTINGS if one == charting), 3, 1)
    found = read(Stay("x", simulate(plan, 0).lines))
    assert found.unread == 0
    assert {message.type for message in found.messages} >= {"registration", "reading", "discharge"}
    assert [one.received for one in found.messages] == sorted(one.received for one in found.messages if one.received)


@pytest.mark.parametrize("product", PRODUCTS)
def test_each_product_has_a_course(product: str) -> None:
    truth = lived(CohortPlan(product, "ward", 14, 1), 1)
    assert len(truth.temperature) == 15 * DAY


def test_what_goes_wrong_on_the_way_is_in_the_stream() -> None:
    lines = [line for number in range(12) for line in simulate(CohortPlan("cohort", "ward", 14, 1), number).lines]
    bodies = [msgspec.json.decode(line) for line in lines]
    versions = {(body["patient"], body["id"], body.get("status")) for body in bodies}
    statuses = Counter(status for _, _, status in versions)
    assert statuses["corrected"] == statuses["preliminary"] > 0
    assert statuses["entered_in_error"] > 0
    ahead = [body for body in bodies if body["type"] == "reading" and body["effective"] > body["received"]]
    assert 0.05 < len(ahead) / len(bodies) < 0.2
    ids = Counter((body["patient"], body["id"], body.get("status")) for body in bodies)
    assert sum(count > 1 for count in ids.values()) > 0
    assert any(float(body["value"]) == 0 for body in bodies if body.get("reading") == "systolic_bp")


def test_a_correction_has_the_id_of_what_it_corrects() -> None:
    lines = [line for number in range(6) for line in simulate(CohortPlan("cohort", "ward", 14, 1), number).lines]
    bodies = [msgspec.json.decode(line) for line in lines]
    first = {(body["patient"], body["id"]) for body in bodies if body.get("status") in (None, "preliminary")}
    assert {(one["patient"], one["id"]) for one in bodies if one.get("status") == "corrected"} <= first


def test_spells_join_over_short_gaps_and_short_ones_are_left_out() -> None:
    cohort = lived(CohortPlan("cohort", "ward", 2, 1), 1)
    series = cohort.fever & False
    series[100:200] = series[260:300] = series[2000:2005] = True
    assert spells(series, apart=61, shortest=15) == [(100, 300)]
    assert spells(series, apart=60, shortest=15) == [(100, 200), (260, 300)]


def test_every_assumption_has_its_source_or_says_that_it_is_one() -> None:
    rows = list(assumptions())
    assert len(rows) > 80
    assert [row.name for row in rows if len(row.source) < len("assumption")] == []


def test_a_grade_is_first_charted_when_its_sign_comes_in_not_when_it_begins() -> None:
    """Each charted onset rests on a message that came in at that moment and names its sign."""
    signs = {
        "crs": ("temperature", "systolic_bp", "mean_bp", "spo2", "oxygen_device", "treatment"),
        "icans": ("ice", "consciousness", "seizure"),
        "febrile_neutropenia": ("temperature", "neutrophils"),
    }
    grades = Counter[int]()
    for number in range(8):
        found = simulate(CohortPlan("axi-cel", "ward", 10, 5), number)
        (truth,) = decoded([found.truth])
        bodies = [msgspec.json.decode(line) for line in found.lines]
        for onset in truth.onsets:
            if onset.charted is None:
                continue
            moment = onset.charted.isoformat()
            came = {body.get("reading", body["type"]) for body in bodies if body["received"] == moment}
            assert came & set(signs[onset.condition]), onset
            assert onset.charted >= onset.start
            grades[onset.grade] += 1
    assert {1, 2, 3, 4} <= set(grades)

"""How people answer pages."""

import math
from datetime import UTC, datetime, timedelta
from statistics import median
from zoneinfo import ZoneInfo

import pytest

from worker.quality.answers import NOBODY, SIGMA, AnswerModel, parse_answer

ROME = ZoneInfo("Europe/Rome")
NOON = datetime(2024, 6, 12, 10, tzinfo=UTC)
MIDNIGHT = datetime(2024, 6, 12, 22, tzinfo=UTC)
MINUTES = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("lognormal 3 min, 10 % never", AnswerModel(3 * MINUTES, SIGMA, 0.1)),
        ("lognormal 3 min, sigma 0.5, nights x 2", AnswerModel(3 * MINUTES, 0.5, nights=2)),
        ("fixed 4 min", AnswerModel(4 * MINUTES)),
        ("never", NOBODY),
    ],
)
def test_each_form_is_read(text: str, model: AnswerModel) -> None:
    assert parse_answer(text) == model


@pytest.mark.parametrize("text", ["", "soon", "lognormal", "10 % never", "fixed 4 parsecs"])
def test_any_other_form_is_refused_with_those_there_are(text: str) -> None:
    with pytest.raises(ValueError, match=r"lognormal|duration"):
        parse_answer(text)


def test_a_fixed_answer_comes_after_its_time_and_at_night_later() -> None:
    model = parse_answer("fixed 4 min, nights x 2")
    assert model.wait("p", NOON, ROME, 1) == 4 * MINUTES
    assert model.wait("p", MIDNIGHT, ROME, 1) == 8 * MINUTES


def test_the_same_page_and_seed_give_the_same_answer_and_another_seed_another() -> None:
    model = parse_answer("lognormal 3 min")
    assert model.wait("p", NOON, ROME, 1) == model.wait("p", NOON, ROME, 1)
    assert model.wait("p", NOON, ROME, 1) != model.wait("p", NOON, ROME, 2)


def test_answers_have_the_median_and_upper_quartile_of_the_evidence() -> None:
    model = parse_answer("lognormal 3 min, 10 % never")
    waits = [model.wait(f"p{n}", NOON, ROME, 1) for n in range(4000)]
    given = sorted(wait / MINUTES for wait in waits if wait is not None)
    assert math.isclose(1 - len(given) / len(waits), 0.10, abs_tol=0.02)
    assert math.isclose(median(given), 3, rel_tol=0.1)
    assert math.isclose(given[len(given) * 3 // 4], 8, rel_tol=0.12)

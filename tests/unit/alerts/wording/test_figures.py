"""Numbers and lengths of time as a person writes them."""

from datetime import timedelta
from decimal import Decimal

import pytest

from alerts.wording.figures import amount, number, span
from tests.support.charts import hours

WEEK = timedelta(days=7)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("85", "85"),
        ("85.00", "85"),
        ("9.950", "9.95"),
        ("100", "100"),
        ("1E+2", "100"),
        ("0", "0"),
        ("0.00", "0"),
        ("0.0006", "0.0006"),
        ("0.99977380682", "0.9998"),
        ("-5", "-5"),
    ],
)
def test_a_number_is_shown_as_a_person_writes_it(value: str, shown: str) -> None:
    assert number(Decimal(value)) == shown


@pytest.mark.parametrize(
    ("length", "shown"),
    [(timedelta(0), "0 h"), (hours(1.5), "1.5 h"), (hours(24), "24 h"), (hours(48), "48 h"), (WEEK, "7 d")],
)
def test_a_length_of_time_is_shown_in_hours_or_days(length: timedelta, shown: str) -> None:
    assert span(length) == shown


def test_a_temperature_always_has_its_first_decimal() -> None:
    assert amount("temperature", Decimal(39)) == "39.0 °C"
    assert amount("platelets", Decimal(5), "<") == "<5 ×10⁹/L"

"""Letters of a text message: whatever a page says, it stays in the alphabet that has 160 of them."""

import pytest

from worker.delivery.gsm import BASIC, EXTENDED, gsm7, septets


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("SpO2 ≤ 90 %, temp ≥ 38.0 °C", "SpO2 <= 90 %, temp >= 38.0 C"),
        ("D−1 – D+2 — D+3", "D-1 - D+2 - D+3"),
        ("38.9\u00a0°C\u202f!", "38.9 C !"),
        ("platelets 12 ×10⁹/L", "platelets 12 x10^9/L"),
        ("ferritin 900 µg/L", "ferritin 900 ug/L"),
        ("perché è già più tardi, Ömer", "perché è già più tardi, Ömer"),
        ("‘perhaps’ “so”…", "'perhaps' \"so\"..."),
        ("Škoda, Łódź", "Skoda, ?odz"),
        ("SpO₂", "SpO2"),
        ("病", "?"),
        ("one\ttwo", "one two"),
        ("→ ward", "-> ward"),
    ],
)
def test_what_is_not_among_the_letters_is_said_otherwise(text: str, sent: str) -> None:
    assert gsm7(text) == sent


def test_whatever_comes_in_is_in_the_alphabet_afterwards() -> None:
    every = "".join(map(chr, [*range(0x20, 0x2FF), *range(0x370, 0x400), *range(0x2000, 0x2300), 0x1F691]))
    assert set(gsm7(every)) <= BASIC | EXTENDED


def test_letters_of_the_extension_take_two_places() -> None:
    assert septets("abc") == 3
    assert septets("a€[b]") == 8

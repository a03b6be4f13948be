"""Packing for the store: what is unpacked is what was packed, and old state stays readable."""

from decimal import Decimal

import pytest

from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from alerts.state import DeadLetter, PatientState
from alerts.step.step import step
from tests.support.stored_ward import NOW, SITE, crs2, message
from worker.store.codec import Owed, pack, unpack_dead_letter, unpack_owed, unpack_state
from worker.store.schema import UnreadableError


def test_a_watch_with_chart_and_episodes_survives() -> None:
    state, effects = step(PatientState(patient="P1"), [message(body) for body in crs2()], NOW, SITE)
    assert state.episodes
    assert unpack_state(pack(state)) == state
    owed = Owed(page=effects.pages[0], attempts=3, reported="failed")
    assert unpack_owed(pack(owed)) == owed


def test_a_decimal_keeps_every_digit() -> None:
    entry = Entry(NOW, "lab", "m1", value=Decimal("0.10"))
    state = PatientState(patient="P1", chart=Chart(entries={"crp": (entry,)}))
    assert str(unpack_state(pack(state)).chart.entries["crp"][0].value) == "0.10"


def test_what_was_dead_lettered_survives() -> None:
    record = DeadLetter(NOW, "lab", "P1", "m1", "the unit is missing", '{"value": "Ω"}')
    assert unpack_dead_letter(pack(record)) == record


def test_what_another_program_wrote_or_cut_short_is_unreadable() -> None:
    packed = pack(PatientState(patient="P1", registered=True))
    for damaged in (b"", b"junk", packed[:1], packed[:2], packed[:-1], packed[2:], packed[:2] + b"junk"):
        with pytest.raises(UnreadableError):
            unpack_state(damaged)


def test_a_value_of_another_kind_is_unreadable() -> None:
    with pytest.raises(UnreadableError):
        unpack_owed(pack(PatientState(patient="P1")))

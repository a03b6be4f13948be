"""Packing for the store: what is unpacked is what was packed, and old state stays readable."""

from datetime import timedelta
from decimal import Decimal

import pytest

from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from alerts.state import DeadLetter, PatientState
from alerts.step.step import step
from tests.support.stored_ward import NOW, SITE, crs2, message
from worker.store.codec import (
    Owed,
    StateCodec,
    compressed,
    pack,
    unpack_dead_letter,
    unpack_owed,
    unpack_state,
)
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


def of_hours(*hours: int, value: str = "37.0") -> Chart:
    """A chart with a temperature a minute of some hours, the newest of them now."""
    at = [NOW - timedelta(minutes=minute) for hour in hours for minute in range(60 * hour, 60 * hour + 60)]
    entries = tuple(Entry(one, "monitor", f"{one:%d%H%M}", value=Decimal(value)) for one in sorted(at))
    return Chart(entries={"crp": entries[:3], "temperature": entries, "spo2": ()}, newest=entries[-1].effective)


def test_a_state_with_many_settled_entries_survives_in_its_order() -> None:
    state = PatientState(patient="P1", chart=of_hours(0, 1, 5, 6))
    found = unpack_state(pack(state))
    assert found == state
    assert list(found.chart.entries) == ["crp", "temperature", "spo2"]


def test_what_is_packed_does_not_depend_on_what_was_packed_before() -> None:
    states = [
        PatientState(patient="P1", chart=of_hours(*hours, value=value))
        for hours in [(0, 5), (0, 5, 6), (0,), (0, 5), (0, 6)]
        for value in ("37.0", "37.00")
    ]
    alone = [StateCodec().pack(state) for state in states]
    codec = StateCodec()
    assert [codec.pack(state) for state in states] == alone
    assert [codec.pack(state) for state in states[::-1]] == alone[::-1]


def test_results_that_no_vital_sign_changed_are_not_packed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    codec = StateCodec()
    before, _ = step(PatientState(patient="P1"), [message(body) for body in crs2()], NOW, SITE)
    assert before.result_cache.ctcae is not None
    codec.pack(before)
    pulse = message(crs2()[-1] | {"id": "later", "effective": (NOW + timedelta(minutes=1)).isoformat()})
    after, _ = step(before, [pulse], NOW + timedelta(minutes=1), SITE)
    assert after.result_cache.course != before.result_cache.course
    texts: list[bytes] = []

    def seen(encoded: bytes) -> bytes:
        texts.append(encoded)
        return compressed(encoded)

    monkeypatch.setattr("worker.store.codec.compressed", seen)
    packed = codec.pack(after)
    assert not any(b"ctcae" in text and b"config_digest" in text for text in texts)
    assert packed == StateCodec().pack(after)
    assert unpack_state(packed) == after


def test_entries_that_did_not_change_are_not_packed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    codec, state = StateCodec(), PatientState(patient="P1", chart=of_hours(0, 5, 6))
    packed = codec.pack(state)
    sizes: list[int] = []

    def measured(encoded: bytes) -> bytes:
        sizes.append(len(encoded))
        return compressed(encoded)

    monkeypatch.setattr("worker.store.codec.compressed", measured)
    assert codec.pack(state) == packed
    assert len(sizes) == 1


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

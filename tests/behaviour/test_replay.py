"""The same messages at the same times give the same pages, word for word."""

from collections.abc import Sequence
from datetime import timedelta

from alerts.messages import AnyMessage
from alerts.state import PatientState
from alerts.step.step import step
from tests.support.ward import INFUSED, PATIENT, SITE, Ward, changed, message
from worker.store.codec import pack, unpack_state

START = INFUSED + timedelta(days=1)


def read(hours: float, kind: str, value: object, unit: str | None = None) -> AnyMessage:
    at = START + timedelta(hours=hours)
    return message("reading", at, id=f"{kind} {hours}", reading=kind, value=value, unit=unit, by="person")


def dose(hours: float, drug: str, amount: int) -> AnyMessage:
    at = START + timedelta(hours=hours)
    return message("treatment", at, id=f"{drug} {hours}", drug=drug, action="given", dose=amount, unit="mg")


def stay() -> list[AnyMessage]:
    """Two days with something of everything: CRS, ICANS, counts, doses, a late value, a correction, a lost unit."""
    wrong = read(30, "spo2", 80, "%")
    return [
        message("registration", START - timedelta(days=2), id="r", source="ehr", infused=INFUSED, ward="A", bed="1"),
        read(-30, "ice", 10),
        read(0, "temperature", 38.4, "Cel"),
        read(4, "systolic_bp", 84, "mm[Hg]"),
        read(4, "spo2", 96, "%"),
        dose(5, "tocilizumab", 480),
        read(6, "ice", 8),
        read(6, "crp", 85),
        read(8, "systolic_bp", 118, "mm[Hg]"),
        read(8, "temperature", 36.8, "Cel"),
        changed(read(7, "seizure", "brief"), received=START + timedelta(hours=9)),
        dose(10, "dexamethasone", 10),
        read(14, "ice", 4),
        read(20, "platelets", 18, "10*9/L"),
        read(20, "neutrophils", 0.2, "10*9/L"),
        read(20, "igg", 380, "mg/dL"),
        wrong,
        changed(wrong, status="entered_in_error", received=START + timedelta(hours=31)),
        read(36, "temperature", 38.6, "Cel"),
    ]


def played(*, packed: bool = False) -> Ward:
    ward = PackedWard() if packed else Ward()
    ward.play(stay(), answer_after=timedelta(minutes=12))
    ward.jump(hours=3)
    return ward


class PackedWard(Ward):
    """A ward whose memory goes through the store's packing after every step."""

    def _step(self, patient: str, messages: Sequence[AnyMessage]) -> None:
        super()._step(patient, messages)
        self.states[patient] = unpack_state(pack(self.states[patient]))


def test_a_replay_gives_the_same_pages_word_for_word() -> None:
    first, second = played(), played()
    assert len(first.pages) > 15
    assert {page.urgency for page in first.pages} == {"critical", "high", "medium", "low", "technical"}
    assert first.pages == second.pages


def test_a_replay_gives_the_same_journal() -> None:
    first, second = played(), played()
    assert len(first.events) > 20
    assert first.events == second.events


def test_a_watch_that_was_packed_and_read_again_pages_the_same_words() -> None:
    assert played(packed=True).pages == played().pages


def test_every_page_of_a_stay_has_an_id_of_its_own() -> None:
    ids = [page.id for page in played().pages]
    assert len(set(ids)) == len(ids)


def test_a_page_of_a_stay_is_never_paged_by_another_patients_readings() -> None:
    alone = played()
    together = Ward()
    others = [changed(item, patient="P9") for item in stay()]
    together.play([*stay(), *others], answer_after=timedelta(minutes=12))
    together.jump(hours=3)
    assert [page for page in together.pages if page.patient == PATIENT] == [
        page for page in alone.pages if page.patient == PATIENT
    ]


def test_one_step_gives_the_same_answer_each_time_it_is_asked() -> None:
    now = START + timedelta(hours=37)
    state, effects = step(PatientState(patient=PATIENT), stay(), now, SITE)
    again, effects_again = step(PatientState(patient=PATIENT), stay(), now, SITE)
    assert effects.pages
    assert (pack(again), effects_again) == (pack(state), effects)


def test_a_step_does_not_change_the_watch_it_is_given() -> None:
    now = START + timedelta(hours=5)
    state, _ = step(PatientState(patient=PATIENT), stay()[:5], now, SITE)
    before = pack(state)
    after, _ = step(state, stay()[5:], START + timedelta(hours=37), SITE)
    assert pack(state) == before
    assert pack(after) != before

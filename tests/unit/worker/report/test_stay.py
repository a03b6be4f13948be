"""The dose ledger and the facts of the whole stay."""

from decimal import Decimal

from alerts.messages import MESSAGE, AnyMessage
from tests.support.replayed_case import ROME, moment
from worker.report.course import Course, course_from
from worker.report.stay import ledger, stay


def dose(drug: str, clock: str, **fields: str) -> AnyMessage:
    base = {"type": "treatment", "id": clock, "source": "emar", "patient": "P1", "action": "given"}
    return MESSAGE.validate_python({**base, "drug": drug, "effective": moment(2, clock), **fields})


def test_the_ledger_adds_up_every_dose(course: Course) -> None:
    rows = {row.drug: row for row in ledger(course)}
    steroid = rows["dexamethasone"]
    assert (steroid.total, steroid.unit, steroid.first_day, steroid.last_day) == (Decimal(170), "mg", 5, 11)
    assert rows["tocilizumab"].count == 2


def test_a_dose_without_its_amount_leaves_no_sum() -> None:
    doses = [dose("dexamethasone", "08:00", dose="10", unit="mg"), dose("dexamethasone", "14:00")]
    (row,) = ledger(course_from(doses, [], ROME))
    assert (row.count, row.total) == (2, None)


def test_doses_in_different_units_are_not_added() -> None:
    doses = [
        dose("filgrastim", "08:00", dose="300", unit="ug"),
        dose("filgrastim", "09:00", dose="30", unit="MU"),
    ]
    (row,) = ledger(course_from(doses, [], ROME))
    assert row.total is None


def test_every_fact_of_the_stay_agrees_with_the_report(course: Course) -> None:
    rows = stay(course)
    assert len(rows) == 10
    assert [row.name for row in rows if not row.agrees] == []
    assert {row.name: row.computed for row in rows}["CAR-T peak"] == "222.05/µL"


def test_a_missing_dose_is_seen(messages: list[AnyMessage]) -> None:
    fewer = [message for message in messages if message.id != _first(messages, "tocilizumab").id]
    rows = {row.name: row for row in stay(course_from(fewer, [], ROME))}
    assert rows["Tocilizumab"].computed == "1 doses"
    assert not rows["Tocilizumab"].agrees
    assert rows["CRS, worst"].computed == "undetermined"


def test_nobody_else_is_compared_with_the_report() -> None:
    assert stay(course_from([dose("tocilizumab", "08:00")], [], ROME)) == []


def test_a_single_dose_is_its_own_sum() -> None:
    (row,) = ledger(course_from([dose("tocilizumab", "08:00", dose="480", unit="mg")], [], ROME))
    assert row.total == Decimal(480)


def _first(messages: list[AnyMessage], drug: str) -> AnyMessage:
    return next(message for message in messages if getattr(message, "drug", "") == drug)

"""The whole stay in a few lines: the dose ledger, and the published report's statements about the stay."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from msgspec import Struct

from worker.report.course import Course, Dose
from worker.report.days import REFERENCE_PATIENT


class LedgerRow(Struct, frozen=True):
    """The doses of one drug: their number, their total if all have one unit, and their days."""

    drug: str
    count: int
    total: Decimal | None
    unit: str
    first_day: int
    last_day: int


class StayRow(Struct, frozen=True):
    """One fact of the whole stay, as computed and as stated."""

    name: str
    computed: str
    stated: str

    @property
    def agrees(self) -> bool:
        """Whether the computed fact equals the stated one."""
        return self.computed == self.stated


def ledger(course: Course) -> list[LedgerRow]:
    """One row for each given drug, in order of its first dose."""
    drugs = dict.fromkeys(dose.drug for dose in course.doses)
    return [_ledger_row(course, drug) for drug in drugs]


def _ledger_row(course: Course, drug: str) -> LedgerRow:
    doses = course.given(drug)
    amount, unit = total(doses)
    at = [course.day(dose.at) for dose in doses]
    return LedgerRow(drug, len(doses), amount, unit, min(at), max(at))


def total(doses: list[Dose]) -> tuple[Decimal | None, str]:
    """The total; None if a dose has no amount or the units differ, because a partial total misleads."""
    units = {dose.unit for dose in doses}
    amounts = [dose.amount for dose in doses if dose.amount is not None]
    if len(units) != 1 or len(amounts) != len(doses):
        return None, ""
    return sum(amounts, Decimal(0)), units.pop()


def _grade(system: str) -> Callable[[Course], str]:
    def computed(course: Course) -> str:
        worst = course.worst(system)
        return "undetermined" if worst is None else f"grade {worst}"

    return computed


def _count(drug: str, word: str) -> Callable[[Course], str]:
    return lambda course: f"{len(course.given(drug))} {word}"


def _steroid(course: Course) -> str:
    amount, unit = total(course.given("dexamethasone"))
    return "unknown" if amount is None else f"{amount.normalize():f} {unit}"


def _peak(course: Course) -> str:
    peak = max((sample.value for sample in course.samples.get("car_t_cells", ())), default=None)
    return "not charted" if peak is None else f"{peak}/µL"


STATED: Mapping[str, tuple[Callable[[Course], str], str]] = {
    "CRS, worst": (_grade("crs"), "grade 2"),
    "ICANS, worst": (_grade("icans"), "grade 3"),
    "Anaemia, worst": (_grade("ctcae.anemia"), "grade 4"),
    "Platelets, worst": (_grade("ctcae.platelets"), "grade 4"),
    "Neutrophils, worst": (_grade("ctcae.neutrophils"), "grade 4"),
    "Tocilizumab": (_count("tocilizumab", "doses"), "2 doses"),
    "Dexamethasone": (_steroid, "170 mg"),
    "Red cells given": (_count("red_cell_transfusion", "units"), "4 units"),
    "Platelets given": (_count("platelet_transfusion", "units"), "2 units"),
    "CAR-T peak": (_peak, "222.05/µL"),
}
"""The published report's statements about the whole stay, and the function that computes each."""


def stay(course: Course) -> list[StayRow]:
    """The facts of the stay beside the report's; none unless the patient is the reference patient."""
    if course.patient != REFERENCE_PATIENT:
        return []
    return [StayRow(name, computed(course), stated) for name, (computed, stated) in STATED.items()]

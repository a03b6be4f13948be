"""RAS^O17: each RXA is one administration. Orders and dispenses are other messages, which are not read."""

from config.codes import DRUG
from config.intake import Source
from worker.intake.budget import Budget
from worker.intake.codes import find_drug
from worker.intake.fhir.medications import administration, retraction
from worker.intake.hl7.names import Named, joined
from worker.intake.hl7.patients import patient_of
from worker.intake.hl7.tokens import Hl7Message, Segment
from worker.intake.hl7.values import codings, units
from worker.intake.identity import Unidentified
from worker.intake.infusions import infusion, product_named
from worker.intake.parsed import ElementResult, Preview, dead_letter, ignored, refused, stored
from worker.intake.times import NEVER, When, hl7

GIVEN = ("", "CP", "PA")
NOT_GIVEN = ("RE", "NA")
DELETED = "D"


def administrations(message: Hl7Message, source: Source, budget: Budget) -> list[ElementResult]:
    """Parse every RXA in order.

    Raises:
        OverBudget: to read them costs too much.
    """
    made: list[ElementResult] = []
    patient, nobody, index = "", "PID: missing", 0
    named = Named(joined(patient, "", ""))
    for segment in budget.during(message.segments):
        if segment.name == "PID":
            try:
                patient, nobody = patient_of(segment.field(3), source), ""
            except Unidentified as error:
                patient, nobody = "", f"PID-3: {error}"
            named = Named(joined(patient, "", ""))
        elif segment.name == "ORC":
            order = segment.field(3).text.strip() or segment.field(2).text.strip()
            named = Named(joined(patient, order, ""))
        elif segment.name == "RXA":
            index += 1
            budget.spend(1)
            made.append(_administration(segment, f"RXA[{index}]", patient, nobody, named, source))
    if message.first("PID") is None:
        return [refused("PID", "PID: missing; every administration needs its patient")]
    return made


def _administration(rxa: Segment, where: str, patient: str, nobody: str, named: Named, source: Source) -> ElementResult:
    sent = list(codings(rxa.field(5)))
    found = find_drug(source.codes, sent)
    name = next((coding.name for coding in sent if coding.name), "")[:60]
    start = _when(rxa, 3, source)
    status, action = rxa.field(20).component(1).strip().upper(), rxa.field(21).component(1).strip().upper()
    use = "retract" if action == DELETED else "given" if status in GIVEN else "not-given"
    word = "entered-in-error" if action == DELETED else {"": "completed", "CP": "completed"}.get(status, status)
    if found.code is not None and (product := product_named(found.code.reading)):
        return _infusion(rxa, where, patient, nobody, product, source)
    if found.code is None or not found.code.reading.startswith(DRUG):
        shown = Preview("drug", name or None, None, start.shown, word, use)
        if found.trouble:
            return dead_letter(where, patient, found.why, shown)
        why = found.why if found.code is None else f"{found.code.reading} is no drug"
        return ignored(where, why, patient, shown=shown)._replace(unmapped=found.unmapped)
    drug = found.code.reading.removeprefix(DRUG)
    shown = Preview("drug", drug, None, start.shown, word, use, name)
    trouble = nobody or _trouble(start, status)
    if trouble:
        return dead_letter(where, patient, trouble, shown)
    if use == "not-given":
        return ignored(where, f"RXA-20 {status}: not given", patient, understood=True, shown=shown)
    assert start.at is not None, "looked at above"
    identifier = named.followed_by(joined(rxa.field(2).text, sent[0].code, start.at.isoformat()))
    common = {"source": source.name, "patient": patient, "drug": drug, **_dose(rxa)}
    if action == DELETED:
        return stored(where, patient, retraction(identifier, common, start.at), shown)
    return stored(where, patient, administration(identifier, common, start.at, _end(rxa, start, source)), shown)


def _infusion(rxa: Segment, where: str, patient: str, nobody: str, product: str, source: Source) -> ElementResult:
    """The administration of the CAR-T cells themselves."""
    start = _when(rxa, 3, source)
    status = rxa.field(20).component(1).strip().upper()
    if nobody:
        return dead_letter(where, patient, nobody)
    if status in NOT_GIVEN:
        return ignored(where, f"RXA-20 {status}: not given", patient, understood=True)
    if status not in GIVEN:
        return dead_letter(where, patient, _trouble(start, status) or f"RXA-20: {status[:10]!r} is not known")
    identifier = Named(joined(patient, "infusion", rxa.field(2).text, product, start.shown or "")).followed_by(b"")
    retracted = rxa.field(21).component(1).strip().upper() == DELETED
    return infusion(
        identifier, patient, product, start, source, where, field="RXA-3", status=status or "CP", retracted=retracted
    )


def _trouble(start: When, status: str) -> str:
    if start.at is None or start.day:
        return f"RXA-3: {start.why or f'{start.shown} is a day, and an administration needs the hour'}"
    if status not in (*GIVEN, *NOT_GIVEN):
        return f"RXA-20: the completion status {status[:10]!r} is none of CP, PA, RE, NA"
    return ""


def _when(rxa: Segment, number: int, source: Source) -> When:
    text = rxa.field(number).component(1).strip()
    return hl7(text, source.zone) if text and text != '""' else NEVER


def _end(rxa: Segment, start: When, source: Source) -> When | None:
    """The end of an administration; None for a single dose, `NEVER` for a rate (RXA-12) without an end."""
    end = _when(rxa, 4, source)
    if end.at is None:
        return NEVER if rxa.field(12) else None
    return None if end.at == start.at else end


def _dose(rxa: Segment) -> dict[str, str]:
    amount = rxa.field(6).text.strip()
    if not amount or amount.strip("0.") == "" or amount == "999":
        return {}
    unit = next(iter(units(rxa.field(7))), "")
    return {"dose": amount, **({"unit": unit} if unit else {})}

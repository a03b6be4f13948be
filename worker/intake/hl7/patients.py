"""The patient of a PID-3 or MRG-1, by the source's identifier rules."""

from config.intake import Source
from worker.intake.hl7.tokens import Field
from worker.intake.identity import Identity, Unidentified, choose

MOST_IDENTIFIERS = 100


def patient_of(field: Field, source: Source) -> str:
    """The patient that a list of identifiers names.

    Raises:
        Unidentified: none of them is of a configured kind, or two are.
    """
    if field.count > MOST_IDENTIFIERS:
        raise Unidentified(f"patient: more than {MOST_IDENTIFIERS} identifiers")
    found = [
        Identity(item.component(1).strip(), item.component(4).strip(), item.component(5).strip())
        for item in field.repetitions
        if item.component(1).strip() not in ("", '""')
    ]
    return choose(found, source.policy.identifiers).id

"""The status of a result: the worse of OBX-11 (table 0085) and OBR-25 (table 0123)."""

from worker.intake.results import ResultStatus, Use

_FINAL = ResultStatus("final", Use.USE)
_CORRECTED = ResultStatus("corrected", Use.USE, "corrected")
_RETRACTED = ResultStatus("entered-in-error", Use.RETRACT)
_NO_VALUE = ResultStatus("cancelled", Use.NO_VALUE)
_UNVERIFIED = ResultStatus("unverified", Use.USE)

_LIVES = {
    "F": _FINAL,
    "C": _CORRECTED,
    "A": _CORRECTED,
    "R": _UNVERIFIED,
    "P": ResultStatus("preliminary", Use.USE, "preliminary"),
    "X": _NO_VALUE,
    "I": ResultStatus("pending", Use.NOT_USABLE),
    "S": ResultStatus("partial", Use.NOT_USABLE),
    "O": ResultStatus("ordered", Use.NOT_USABLE),
    "N": ResultStatus("not asked", Use.NOT_USABLE),
    "V": ResultStatus("verified without value", Use.NOT_USABLE),
    "U": ResultStatus("final without value", Use.NOT_USABLE),
    "B": ResultStatus("appended", Use.NOT_USABLE),
    "D": _RETRACTED,
    "W": _RETRACTED,
}
_WORSE = {code: rank for rank, codes in enumerate(("F", "CA", "R", "P", "X", "ISONVUB", "DW")) for code in codes}
_OF_ORDERS = frozenset("FCRPXISODW")
"""Codes of OBR-25 that apply to each result below it. `A` there means that some results are still missing."""


def worse(result: str, order: str) -> str:
    """The status that counts. A corrected result stays corrected under a provisional order."""
    if order not in _OF_ORDERS:
        return result
    if not result:
        return order
    if result in "CA" and order in "RP":
        return result
    return max(result, order, key=lambda code: _WORSE.get(code, len(_WORSE)))


def life(status: str, *, unverified: bool, beside_x: bool) -> ResultStatus | None:
    """The meaning of a status; None if it is unknown. `unverified` and `beside_x`: the source's policy."""
    found = _LIVES.get(status)
    if status == "R" and not unverified:
        return ResultStatus("unverified", Use.NOT_USABLE)
    if status == "X" and beside_x:
        return ResultStatus("cancelled", Use.USE)
    return found

"""Coded chart values as phrases: a state, a dose, a statement."""

from alerts.wording.phrase import Name, Phrase, phrase

_OF = {
    "oxygen_device": "oxygen device {what}",
    "consciousness": "consciousness {what}",
    "seizure": "seizure {what}",
    "motor_weakness": "motor weakness {what}",
    "cerebral_edema": "cerebral oedema {what}",
    "icp_sign": "sign of raised intracranial pressure {what}",
}
_NONE = {
    "oxygen_device": "oxygen device none",
    "seizure": "seizure none",
    "motor_weakness": "motor weakness none",
    "cerebral_edema": "cerebral oedema none",
    "icp_sign": "sign of raised intracranial pressure none",
}
_SAYING = {
    "given": "{what} given",
    "started": "{what} started",
    "stopped": "{what} stopped",
    "absent": "{what} absent",
    "true": "{what} yes",
    "false": "{what} no",
}


def coded(kind: str, code: str) -> Phrase:
    """A reading, statement or drug with its code, as in `seizure brief` or `norepinephrine started`."""
    if code in _SAYING:
        return Phrase(_SAYING[code], (Name(kind),))
    if code == "none" and kind in _NONE:
        return Phrase(_NONE[kind])
    if kind in _OF:
        return Phrase(_OF[kind], (Name(code),))
    return phrase("{what} {code}", what=Name(kind), code=Name(code))

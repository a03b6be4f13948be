"""The hypoxia row of the ASTCT 2019 CRS table.

The consensus grades the *support*: low-flow nasal cannula (at most 6 L/min) or blow-by is 2; more than that,
or any mask, is 3; positive pressure for hypoxia is 4 (Lee et al., Biol Blood Marrow Transplant
2019;25:625-638, table 2). What saturation counts as hypoxia is a convention of the site.
"""

from datetime import datetime, timedelta
from decimal import Decimal

from alerts.chart import confirmation
from alerts.chart.chart import Chart
from alerts.chart.entry import ABSENT, Entry
from alerts.grading import statements
from alerts.grading.axis import Axis, evidence
from alerts.grading.inputs import INSTANT, if_old, latest_number, numbers
from alerts.grading.result import Evidence
from alerts.wording.phrase import Amount, Name, Phrase, named, phrase
from config.site import Site

LOW_FLOW_AT_MOST = Decimal(6)
"""Litres per minute by nasal cannula. Besides 38.0 °C it is the only number of the table."""

LOW_FLOW = 2
HIGH_FLOW = 3
POSITIVE_PRESSURE = 4

DEVICE_GRADE = {
    "blow_by": LOW_FLOW,
    "high_flow_nasal_cannula": HIGH_FLOW,
    "face_mask": HIGH_FLOW,
    "venturi_mask": HIGH_FLOW,
    "nonrebreather_mask": HIGH_FLOW,
    "cpap": POSITIVE_PRESSURE,
    "bipap": POSITIVE_PRESSURE,
    "invasive_ventilation": POSITIVE_PRESSURE,
}
"""The grade of every device except the nasal cannula, whose flow decides."""

OTHER_CAUSE = "hypoxia_other_cause"
NOT_FOR_HYPOXIA = "airway_support_not_for_hypoxia"


def hypoxia(chart: Chart, at: datetime, site: Site) -> Axis:
    """Grade of the hypoxia row at a time: 0, 2, 3, 4; None if neither saturation nor oxygen is charted."""
    supported = _support(chart, at, site)
    is_supported = supported is not None and bool(supported.level)
    found = supported if supported is not None and is_supported else _saturation(chart, at, site)
    cause = statements.other_cause(chart, OTHER_CAUSE, at, site)
    if cause is not None:
        worse = worse_oxygen(chart, cause, at, site)
        if worse is None:
            row = Axis(
                0, flags=(Phrase("hypoxia attributed to another cause"),), conventions=("crs.other_cause_holds",)
            )
            return statements.outranking(row, OTHER_CAUSE, cause, found, site)
        found = statements.ended(found, OTHER_CAUSE, cause, worse)
    said = chart.latest("hypoxia", at, site.conventions.chart.vitals_hold.value)
    axis = found if said is None else _stated(chart, at, site, said, found, is_supported=is_supported)
    if supported is None or is_supported:
        return axis
    return axis._replace(flags=(*axis.flags, *supported.flags), conventions=(*axis.conventions, *supported.conventions))


# -- oxygen ----------------------------------------------------------------------------------------


def _support(chart: Chart, at: datetime, site: Site) -> Axis | None:
    """The row of the charted oxygen; None if none is charted, or it is charted as stopped.

    Oxygen ends when its end is charted or the patient leaves, not by itself.
    """
    device = chart.latest_of_stay("oxygen_device", at)
    flow = chart.latest_of_stay("oxygen_flow", at)
    if device is None or (device.code == "none" and flow and flow.effective > device.effective):
        return _flow_alone(flow, at, site)
    if device.code == "none":
        return None
    own = _flow_of(chart, device, flow, site)
    recent = flow is not None and at - flow.effective <= site.conventions.chart.oxygen_holds.value
    if _as_before_infusion(chart, device, flow if recent else own, site):
        as_before = Phrase("oxygen as before infusion: not newly started")
        return Axis(0, flags=(as_before,), conventions=("chart.baseline_window",))
    if device.code == "nasal_cannula":
        return _nasal_cannula(chart, device, own, at, site)
    level = DEVICE_GRADE[device.code]
    text = phrase("oxygen by {what}: grade {n}", what=Name(device.code), n=level)
    seen = max(device, own, key=lambda entry: entry.effective) if own and own.above(Decimal(0)) else device
    axis = _held(Axis(level, (text,), evidence(("oxygen_device", device))), "oxygen_device", seen, at, site)
    said = _not_for_hypoxia(chart, device, at, site) if level == POSITIVE_PRESSURE else None
    if said is None:
        return axis
    worse = worse_saturation(chart, said, at, site)
    if worse is not None:
        return statements.ended(axis, NOT_FOR_HYPOXIA, said, worse)
    not_graded = Phrase("positive pressure not given for hypoxia: not grade 4")
    row = Axis(0, flags=(not_graded,), conventions=("crs.other_cause_holds",))
    return statements.outranking(row, NOT_FOR_HYPOXIA, said, axis, site)


def _held(axis: Axis, kind: str, entry: Entry, at: datetime, site: Site) -> Axis:
    """A row that rests on oxygen charted some time ago, provisional if that is too old."""
    conventions = (*axis.conventions, *if_old(entry, at, site, "chart.oxygen_holds"))
    age = at - entry.effective
    if age <= site.conventions.chart.oxygen_holds.value:
        return axis._replace(conventions=conventions)
    flag = phrase("{what} last charted {n} h ago", what=Name(kind), n=age // timedelta(hours=1))
    missing = tuple(dict.fromkeys((*axis.missing, named(kind))))
    return axis._replace(provisional=True, missing=missing, flags=(*axis.flags, flag), conventions=conventions)


def _since(chart: Chart, device: Entry) -> datetime:
    """Since when a device has been charted without another, or none, between."""
    since = device.effective
    for entry in reversed(chart.until("oxygen_device", device.effective)):
        if entry.code not in ("", ABSENT, device.code):
            break
        if entry.code == device.code:
            since = entry.effective
    return since


def _flow_of(chart: Chart, device: Entry, flow: Entry | None, site: Site) -> Entry | None:
    """The flow of a device: charted since the device is in use, or in one set with its start."""
    if flow is None or flow.effective >= device.effective:
        return flow
    return flow if flow.effective >= _since(chart, device) - site.conventions.chart.one_set.value else None


def _nasal_cannula(chart: Chart, device: Entry, flow: Entry | None, at: datetime, site: Site) -> Axis:
    found = evidence(("oxygen_device", device))
    high = flow.above(LOW_FLOW_AT_MOST) if flow else None
    if flow is None or high is None:
        text = phrase("oxygen by nasal cannula, flow not charted: at least grade {n}", n=LOW_FLOW)
        axis = Axis(LOW_FLOW, (text,), found, provisional=True, missing=(named("oxygen_flow"),))
        return _held(axis, "oxygen_device", device, at, site)
    level = HIGH_FLOW if high else LOW_FLOW
    sign = ">" if high else "<="
    text = phrase(
        "nasal cannula {amount} ({sign} {n}): grade {n2}",
        amount=Amount("oxygen_flow", flow.value),
        sign=sign,
        n=str(LOW_FLOW_AT_MOST),
        n2=level,
    )
    before = flow.effective < _since(chart, device)
    axis = Axis(
        level, (text,), (*found, *evidence(("oxygen_flow", flow))), conventions=("chart.one_set",) if before else ()
    )
    return _held(axis, "oxygen_flow", flow, at, site)


def _flow_alone(flow: Entry | None, at: datetime, site: Site) -> Axis | None:
    """A flow without its device: at most 6 L/min is at least 2; above that every device but blow-by is 3."""
    if flow is None or not flow.above(Decimal(0)):
        return None
    level = HIGH_FLOW if flow.above(LOW_FLOW_AT_MOST) else LOW_FLOW
    shown = Amount("oxygen_flow", flow.value)
    text = phrase("oxygen {amount}, device not charted: grade {n}", amount=shown, n=level)
    missing = (named("oxygen_device"),)
    axis = Axis(level, (text,), evidence(("oxygen_flow", flow)), provisional=True, missing=missing)
    return _held(axis, "oxygen_flow", flow, at, site)


def _not_for_hypoxia(chart: Chart, device: Entry, at: datetime, site: Site) -> Entry | None:
    """The statement of a clinician on this use of the device, not on an earlier one."""
    said = statements.other_cause(chart, NOT_FOR_HYPOXIA, at, site)
    begins = _since(chart, device) - site.conventions.chart.one_set.value
    return said if said is not None and said.effective >= begins else None


def _as_before_infusion(chart: Chart, device: Entry, flow: Entry | None, site: Site) -> bool:
    """Whether the device was in use before infusion, be it at night alone, and at no lower flow."""
    infused = chart.infused
    if infused is None:
        return False
    ends = infused
    for before in chart.back("oxygen_device", infused, site.conventions.chart.baseline_window.value):
        if before.code == device.code:
            break
        if before.code not in ("", ABSENT):
            ends = before.effective - INSTANT
    else:
        return False
    if flow is None or flow.value is None:
        return True
    then = _flow_of(chart, before, chart.latest("oxygen_flow", ends), site)
    return then is not None and then.value is not None and flow.value <= then.value


# -- saturation ------------------------------------------------------------------------------------


def _saturation(chart: Chart, at: datetime, site: Site) -> Axis:
    holds = site.conventions.chart.vitals_hold.value
    bound = site.conventions.crs.hypoxia_spo2.value
    if latest_number(chart, "spo2", at, holds) is None:
        return Axis(None, missing=(named("spo2"),))

    def low(entry: Entry) -> bool | None:
        return entry.below(bound)

    decided = confirmation.decide(
        numbers(chart, "spo2", at, holds), low, lambda entry: confirmation.saturation(chart, entry, low, site)
    )
    flags = tuple(
        phrase("{what} by {what2}: not yet confirmed", what=_value(entry), what2=Name(entry.by))
        for entry in decided.unconfirmed[:1]
    )
    by = ((decided.confirmed.convention,) if decided.confirmed.convention else ()) + if_old(
        decided.entry, at, site, "chart.vitals_hold"
    )
    conventions = ("crs.hypoxia_spo2", *by)
    if not decided.confirmed.counts:
        because = flags or (Phrase("saturation not low"),)
        return Axis(0, because, evidence(("spo2", decided.entry)), flags=flags, conventions=conventions)
    spo2 = decided.confirmed.samples[-1]
    device = chart.latest("oxygen_device", at, site.conventions.chart.oxygen_holds.value)
    on_air, unknown = (
        "hypoxia observed ({what}), on room air: at least grade {n}",
        "hypoxia observed ({what}), support not charted: at least grade {n}",
    )
    seen = phrase("{what} {sign} {n}", what=_value(spo2), sign="<", n=str(bound))
    return Axis(
        LOW_FLOW,
        (phrase(on_air if device and device.code == "none" else unknown, what=seen, n=LOW_FLOW),),
        evidence(("spo2", spo2)),
        provisional=True,
        missing=(named("oxygen_device"),),
        flags=flags,
        conventions=conventions,
    )


def _value(spo2: Entry) -> Phrase:
    return phrase("{what} {amount}", what=Name("spo2"), amount=Amount("spo2", spo2.value))


def worse_saturation(chart: Chart, said: Entry, at: datetime, site: Site) -> Evidence | None:
    """The first severely low saturation charted after a statement, which ends it."""
    if not site.conventions.crs.worse_ends_statement.value:
        return None
    bound = site.conventions.crs.severe_spo2.value
    low = (entry for entry in chart.between("spo2", said.effective + INSTANT, at) if entry.below(bound))
    return next((Evidence("spo2", entry) for entry in low), None)


def worse_oxygen(chart: Chart, said: Entry, at: datetime, site: Site) -> Evidence | None:
    """The entry after a statement that ends it: a severely low saturation, or more oxygen of grade 3 or 4."""
    if not site.conventions.crs.worse_ends_statement.value:
        return None
    worse = worse_saturation(chart, said, at, site)
    return worse or _more_oxygen(chart, said, at, site)


def _more_oxygen(chart: Chart, said: Entry, at: datetime, site: Site) -> Evidence | None:
    """Like a vasopressor: support of at least grade 3 that was not in use when a statement was made."""
    before = _level(chart, said.effective, site)
    found = [("oxygen_device", entry) for entry in chart.between("oxygen_device", said.effective, at)]
    if before < HIGH_FLOW:
        flows = chart.between("oxygen_flow", said.effective, at)
        found += [("oxygen_flow", entry) for entry in flows if entry.above(LOW_FLOW_AT_MOST)]
    more = (Evidence(kind, entry) for kind, entry in found if _level(chart, entry.effective, site) > before)
    return next(more, None)


def _level(chart: Chart, at: datetime, site: Site) -> int:
    """The grade of the oxygen in use. Without any it is that of low flow, since neither ends a statement."""
    support = _support(chart, at, site)
    return LOW_FLOW if support is None else support.level or LOW_FLOW


def _stated(chart: Chart, at: datetime, site: Site, said: Entry, found: Axis, *, is_supported: bool) -> Axis:
    """A row by a clinician's statement, which outranks the saturation before it and for a time after it."""
    spo2 = chart.latest("spo2", at, site.conventions.chart.vitals_hold.value)
    if spo2 and spo2.effective - said.effective > site.conventions.crs.statement_holds.value:
        return found
    worse = None if said.is_true else worse_oxygen(chart, said, at, site)
    if worse is not None:
        return statements.ended(found, "hypoxia", said, worse)
    if is_supported:
        return found
    conventions = ("crs.statement_holds", *if_old(said, at, site, "chart.vitals_hold"))
    if said.is_true:
        text = phrase("hypoxia by a clinician's statement, support not charted: at least grade {n}", n=LOW_FLOW)
        row = Axis(LOW_FLOW, (text,), (), True, (named("oxygen_device"),), conventions=conventions)
    else:
        row = Axis(0, (Phrase("no hypoxia by a clinician's statement"),), conventions=conventions)
    return statements.outranking(row, "hypoxia", said, found, site)

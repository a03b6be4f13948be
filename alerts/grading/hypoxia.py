"""The hypoxia row of the ASTCT 2019 CRS table.

The consensus grades the *support*: low-flow nasal cannula (at most 6 L/min) or blow-by is 2; more than that,
or any mask, is 3; positive pressure for hypoxia is 4 (Lee et al., Biol Blood Marrow Transplant
2019;25:625-638, table 2). What saturation counts as hypoxia is a convention of the site.
"""

from datetime import datetime
from decimal import Decimal

from alerts import confirmation
from alerts.chart import Chart
from alerts.entry import Entry
from alerts.grading.axis import Axis, evidence
from config.site import Site

LOW_FLOW_AT_MOST = Decimal(6)
"""Litres per minute by nasal cannula; the table's second and last number besides 38.0 °C."""

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
"""Every device but the nasal cannula, which its flow decides."""


def hypoxia(chart: Chart, at: datetime, site: Site) -> Axis:
    """Grade of the hypoxia row at a time: 0, 2, 3, 4, or None where neither saturation nor oxygen is charted."""
    proxies = site.proxies.crs
    if chart.says("hypoxia_other_cause", at, proxies.other_cause_holds.value):
        return Axis(0, flags=("hypoxia attributed to another cause",), proxies=("crs.other_cause_holds",))
    supported = _support(chart, at, site)
    if supported is not None and supported.level:
        return supported
    observed = _saturation(chart, at, site)
    stated = _statement(chart, at, site, observed)
    axis = stated or observed
    return axis if supported is None else axis._replace(flags=(*axis.flags, *supported.flags))


def _support(chart: Chart, at: datetime, site: Site) -> Axis | None:
    """What the charted oxygen gives; None where none is charted or it is charted as stopped."""
    holds = site.proxies.chart.oxygen_holds.value
    device = chart.latest("oxygen_device", at, holds)
    flow = chart.latest("oxygen_flow", at, holds)
    if device is None or (device.code == "none" and flow and flow.effective > device.effective):
        return _flow_alone(flow)
    if device.code == "none":
        return None
    if _as_before_infusion(chart, device, flow):
        return Axis(0, flags=("oxygen as before infusion: not newly started",))
    if device.code == "nasal_cannula":
        return _nasal_cannula(device, flow)
    level = DEVICE_GRADE[device.code]
    if level == POSITIVE_PRESSURE and chart.says("airway_support_not_for_hypoxia", at):
        return Axis(0, flags=("positive pressure not given for hypoxia: not grade 4",))
    return Axis(level, f"oxygen by {_named(device)}: grade {level}", evidence(("oxygen_device", device)))


def _named(device: Entry) -> str:
    return device.code.replace("_", " ")


def _nasal_cannula(device: Entry, flow: Entry | None) -> Axis:
    found = evidence(("oxygen_device", device))
    high = flow.above(LOW_FLOW_AT_MOST) if flow and flow.effective >= device.effective else None
    if flow is None or high is None:
        text = f"oxygen by nasal cannula, flow not charted: at least grade {LOW_FLOW}"
        return Axis(LOW_FLOW, text, found, provisional=True, missing=("oxygen_flow",))
    level = HIGH_FLOW if high else LOW_FLOW
    sign = ">" if high else "<="
    text = f"nasal cannula {flow.value:f} L/min ({sign} {LOW_FLOW_AT_MOST}): grade {level}"
    return Axis(level, text, (*found, *evidence(("oxygen_flow", flow))))


def _flow_alone(flow: Entry | None) -> Axis | None:
    """A flow without its device: at most 6 L/min is at least 2; above that every device but blow-by is 3."""
    if flow is None or not flow.above(Decimal(0)):
        return None
    level = HIGH_FLOW if flow.above(LOW_FLOW_AT_MOST) else LOW_FLOW
    text = f"oxygen {flow.value:f} L/min, device not charted: grade {level}"
    return Axis(level, text, evidence(("oxygen_flow", flow)), provisional=True, missing=("oxygen_device",))


def _as_before_infusion(chart: Chart, device: Entry, flow: Entry | None) -> bool:
    infused = chart.admission.infused if chart.admission else None
    if infused is None:
        return False
    before = chart.latest("oxygen_device", infused)
    if before is None or before.code != device.code:
        return False
    flow_before = chart.latest("oxygen_flow", infused)
    if flow is None or flow.value is None:
        return True
    return flow_before is not None and flow_before.value is not None and flow.value <= flow_before.value


def _saturation(chart: Chart, at: datetime, site: Site) -> Axis:
    holds = site.proxies.chart.vitals_hold.value
    bound = site.proxies.crs.hypoxia_spo2.value
    charted = [entry for entry in chart.between("spo2", at - holds, at) if entry.value is not None]
    if not charted:
        return Axis(None, missing=("spo2",))

    def low(entry: Entry) -> bool | None:
        return entry.below(bound)

    decided = confirmation.decide(
        reversed(charted), low, lambda entry: confirmation.saturation(chart, entry, low, site)
    )
    flags = tuple(f"SpO2 {entry.value:f} % by {entry.by}: not yet confirmed" for entry in decided.unconfirmed[:1])
    proxies = ("crs.hypoxia_spo2", *((decided.confirmed.proxy,) if decided.confirmed.proxy else ()))
    if not decided.confirmed.counts:
        text = flags[0] if flags else "saturation not low"
        return Axis(0, text, evidence(("spo2", decided.entry)), flags=flags, proxies=proxies)
    spo2 = decided.confirmed.samples[-1]
    device = chart.latest("oxygen_device", at, site.proxies.chart.oxygen_holds.value)
    where = "on room air" if device and device.code == "none" else "support not charted"
    return Axis(
        LOW_FLOW,
        f"hypoxia observed (SpO2 {spo2.value:f} % < {bound}), {where}: at least grade {LOW_FLOW}",
        evidence(("spo2", spo2)),
        provisional=True,
        missing=("oxygen_device",),
        flags=flags,
        proxies=proxies,
    )


def _statement(chart: Chart, at: datetime, site: Site, observed: Axis) -> Axis | None:
    """A clinician's statement outranks the saturation charted before it and for a while after it."""
    said = chart.latest("hypoxia", at, site.proxies.chart.vitals_hold.value)
    if said is None:
        return None
    spo2 = chart.latest("spo2", at, site.proxies.chart.vitals_hold.value)
    if spo2 and spo2.effective - said.effective > site.proxies.crs.statement_holds.value:
        return None
    found = (*evidence(("hypoxia", said)), *observed.evidence)
    if said.is_true:
        text = f"hypoxia by a clinician's statement, support not charted: at least grade {LOW_FLOW}"
        return Axis(LOW_FLOW, text, found, True, ("oxygen_device",), proxies=("crs.statement_holds",))
    if spo2 and spo2.effective > said.effective and spo2.below(site.proxies.crs.severe_spo2.value):
        return None
    return Axis(0, "no hypoxia by a clinician's statement", found, proxies=("crs.statement_holds",))

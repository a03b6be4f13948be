"""National Early Warning Score 2 (NEWS2), Royal College of Physicians 2017: general deterioration, for comparison.

                        3        2        1          0          1           2          3
    respiration /min    <=8               9-11       12-20                  21-24      >=25
    SpO2 %, scale 1     <=91     92-93    94-95      >=96
    SpO2 %, scale 2     <=83     84-85    86-87      88-92,     93-94       95-96      >=97
                                                     >=93 air   on oxygen   on oxygen  on oxygen
    oxygen                       yes                 air
    systolic, mmHg      <=90     91-100   101-110    111-219                           >=220
    pulse /min          <=40              41-50      51-90      91-110      111-130    >=131
    consciousness                                    A                                 C V P U
    temperature, °C     <=35.0            35.1-36.0  36.1-38.0  38.1-39.0   >=39.1

A reading between two printed bands is first rounded half up to the resolution of the print: 1, for the temperature
0.1. So 20.5 breaths are 21, and 38.05 °C is 38.1. Scale 2 is for hypercapnic respiratory failure, when a clinician has
stated it. 38.0 °C is 0 here and a fever in ASTCT: NEWS2 is charted and compared, and paged on only before the infusion.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from alerts.grading import pressures
from alerts.grading.axis import Axis, evidence
from alerts.grading.inputs import latest_number, name_missing, only_a_bound, passed_over, with_time
from alerts.grading.result import Points
from alerts.wording.codes import coded
from alerts.wording.phrase import At, Listed, Name, Phrase, joined, phrase
from config.site import Site

SYSTEM = "NEWS2"
VERSION = "RCP 2017"


class News2(Points, frozen=True, kw_only=True):
    """The total, and the points of each of the seven parts that is charted."""

    parts: dict[str, int]


class ScoreBand(NamedTuple):
    """One cell: its points, the value at which the next begins (None: no upper end), and how it is printed."""

    points: int
    ends: Decimal | None
    cell: str


def _bands(*cells: tuple[int, str | None, str], resolution: str = "1") -> tuple[ScoreBand, ...]:
    """Cells by their highest printed value. To round half up is to begin each half a step below its lowest."""
    half = Decimal(resolution) / 2
    return tuple(
        ScoreBand(points, None if up_to is None else Decimal(up_to) + half, text) for points, up_to, text in cells
    )


RESPIRATION = _bands((3, "8", "<=8"), (1, "11", "9-11"), (0, "20", "12-20"), (2, "24", "21-24"), (3, None, ">=25"))
SPO2_SCALE_1 = _bands((3, "91", "<=91"), (2, "93", "92-93"), (1, "95", "94-95"), (0, None, ">=96"))
_SPO2_SCALE_2 = ((3, "83", "<=83"), (2, "85", "84-85"), (1, "87", "86-87"), (0, "92", "88-92"))
SPO2_SCALE_2_ON_AIR = _bands(*_SPO2_SCALE_2, (0, None, ">=93 on air"))
SPO2_SCALE_2_ON_OXYGEN = _bands(
    *_SPO2_SCALE_2, (1, "94", "93-94 on oxygen"), (2, "96", "95-96 on oxygen"), (3, None, ">=97 on oxygen")
)
SYSTOLIC = _bands(
    (3, "90", "<=90"), (2, "100", "91-100"), (1, "110", "101-110"), (0, "219", "111-219"), (3, None, ">=220")
)
PULSE = _bands(
    (3, "40", "<=40"),
    (1, "50", "41-50"),
    (0, "90", "51-90"),
    (1, "110", "91-110"),
    (2, "130", "111-130"),
    (3, None, ">=131"),
)
TEMPERATURE = _bands(
    (3, "35.0", "<=35.0"),
    (1, "36.0", "35.1-36.0"),
    (0, "38.0", "36.1-38.0"),
    (1, "39.0", "38.1-39.0"),
    (2, None, ">=39.1"),
    resolution="0.1",
)
ON_OXYGEN, ON_AIR = 2, 0
ALERT, NOT_ALERT = 0, 3

EMERGENCY = 7
"""Points that call for an emergency assessment (RCP 2017, thresholds and triggers)."""

ROOM_AIR_FIO2 = Decimal(21)
"""Per cent."""

VITALS = "chart.vitals_hold"
TEMPERATURES = "chart.temperature_holds"
OXYGEN = "chart.oxygen_holds"
ASSESSMENTS = "icans.assessment_holds"


def score(chart: Chart, at: datetime, site: Site) -> News2:
    """The total of the seven parts; None if one is missing. `parts` contains the charted ones."""
    rows = {name: _row(part, chart, at) for name, part in _parts(chart, at, site).items()}
    parts = {name: row.level for name, row in rows.items() if row.level is not None}
    missing = tuple(dict.fromkeys(name for row in rows.values() for name in row.missing))
    total = sum(parts.values())
    return News2(
        system=SYSTEM,
        version=VERSION,
        at=at,
        score=total if len(parts) == len(rows) else None,
        parts=parts,
        because=(*(reason for row in rows.values() for reason in row.because), _sum(total, missing)),
        evidence=tuple(dict.fromkeys(item for row in rows.values() for item in row.evidence)),
        missing=missing,
        flags=tuple(flag for row in rows.values() for flag in row.flags),
        conventions=tuple(dict.fromkeys(name for row in rows.values() for name in row.conventions)),
    )


def total(chart: Chart, at: datetime, site: Site) -> int | None:
    """The score alone, without a sentence on what it rests on."""
    levels = [part.level for part in _parts(chart, at, site).values()]
    return sum(level for level in levels if level is not None) if None not in levels else None


def at_least(result: News2) -> int:
    """The points of the charted parts: the total, or the least possible total if a part is missing."""
    return sum(result.parts.values())


def _sum(total: int, missing: tuple[Phrase, ...]) -> Phrase:
    if missing:
        without = phrase("no score without {list}", list=Listed(missing))
        return joined([without, phrase("the others give {n}", n=total)])
    return phrase("NEWS2 {n}", n=total)


def _parts(chart: Chart, at: datetime, site: Site) -> dict[str, "Axis | _Vital"]:
    """The seven parts; those that a number decides are not put into a sentence yet."""
    oxygen = _oxygen(chart, at, site)
    return {
        "respiratory_rate": _vital("respiratory_rate", RESPIRATION, chart, at, site),
        "spo2": _saturation(oxygen, chart, at, site),
        "oxygen": oxygen,
        "systolic_bp": _systolic(chart, at, site),
        "heart_rate": _vital("heart_rate", PULSE, chart, at, site),
        "consciousness": _consciousness(chart, at, site),
        "temperature": _vital("temperature", TEMPERATURE, chart, at, site),
    }


# -- numbers ---------------------------------------------------------------------------------------


class _Vital(NamedTuple):
    """A vital sign that holds for so long, None if none does, and its row. `refused`: why a newer one is not used."""

    kind: str
    entry: Entry | None
    bands: tuple[ScoreBand, ...]
    holds: timedelta
    conventions: tuple[str, ...]
    refused: Phrase | None = None

    @property
    def level(self) -> int | None:
        """Its points; None if it is missing, or a bound that leaves them open."""
        if self.entry is None:
            return None
        points = {band.points for band in _possible(self.entry, self.bands)}
        return points.pop() if len(points) == 1 else None


def _vital(kind: str, bands: tuple[ScoreBand, ...], chart: Chart, at: datetime, site: Site) -> _Vital:
    temperature = kind == "temperature"
    conventions = site.conventions.chart
    holds = conventions.temperature_holds.value if temperature else conventions.vitals_hold.value
    return _Vital(kind, latest_number(chart, kind, at, holds), bands, holds, (TEMPERATURES if temperature else VITALS,))


def _systolic(chart: Chart, at: datetime, site: Site) -> _Vital:
    """The last systolic pressure of a set that does not contradict itself."""
    holds = site.conventions.chart.vitals_hold.value
    entry = pressures.latest_systolic(chart, at, holds, site)
    refused = pressures.contradiction(chart, "systolic_bp", entry, at, site)
    if refused is None:
        return _vital("systolic_bp", SYSTOLIC, chart, at, site)
    return _Vital("systolic_bp", entry, SYSTOLIC, holds, (VITALS, *pressures.PULSE_PRESSURE), refused)


def _row(part: Axis | _Vital, chart: Chart, at: datetime) -> Axis:
    """A part with its reason, or with what is missing."""
    if isinstance(part, Axis):
        return part
    kind, entry, names, refused = part.kind, part.entry, part.conventions, part.refused
    flags: tuple[Phrase, ...] = (refused,) if refused else ()
    if entry is None:
        of_set = phrase("{what} ({why})", what=Name(kind), why=refused) if refused else None
        missing = of_set or name_missing(chart, kind, at, part.holds)
        return Axis(None, missing=(missing,), flags=flags, conventions=names)
    flags = flags or passed_over(chart, kind, entry, at)
    level, found = part.level, evidence((kind, entry))
    if level is None:
        return Axis(None, (), found, missing=(only_a_bound(kind, entry),), flags=flags, conventions=names)
    cell = _printed(_possible(entry, part.bands))
    text = phrase("{what}: {n} ({cell})", what=with_time(kind, entry), n=level, cell=cell)
    return Axis(level, (text,), found, flags=flags, conventions=names)


def _printed(bands: list[ScoreBand]) -> Phrase:
    cells = Phrase(bands[0].cell)
    for band in bands[1:]:
        cells = phrase("{what} or {what2}", what=cells, what2=Phrase(band.cell))
    return cells


def _possible(entry: Entry, bands: tuple[ScoreBand, ...]) -> list[ScoreBand]:
    """The bands in which a value may lie: one, or several if it is only a bound."""
    if entry.value is not None and not entry.comparator:
        return [next(band for band in bands if band.ends is None or entry.value < band.ends)]
    begins = (None, *(band.ends for band in bands))
    return [
        band
        for start, band in zip(begins, bands, strict=False)
        if (start is None or entry.at_least(start) is not False)
        and (band.ends is None or entry.below(band.ends) is not False)
    ]


def _saturation(oxygen: Axis, chart: Chart, at: datetime, site: Site) -> Axis | _Vital:
    """On scale 1; on scale 2, which also asks whether oxygen is given, after a statement of hypercapnic failure."""
    said = chart.latest("hypercapnic_failure", at)
    if said is None or not said.is_true:
        return _vital("spo2", SPO2_SCALE_1, chart, at, site)
    on_air = _row(_vital("spo2", SPO2_SCALE_2_ON_AIR, chart, at, site), chart, at)
    on_oxygen = _row(_vital("spo2", SPO2_SCALE_2_ON_OXYGEN, chart, at, site), chart, at)
    row = on_oxygen if oxygen.level == ON_OXYGEN else on_air
    if oxygen.level is None and on_air.level != on_oxygen.level:
        row = row._replace(level=None, because=())
    flag = Phrase("SpO2 on scale 2: hypercapnic respiratory failure by a clinician's statement")
    found = (*row.evidence, *evidence(("hypercapnic_failure", said)))
    return row._replace(evidence=found, flags=(*row.flags, flag))


# -- oxygen and consciousness ----------------------------------------------------------------------


def _oxygen(chart: Chart, at: datetime, site: Site) -> Axis:
    """Whether supplemental oxygen is given: by a device, a flow above 0, or an FiO2 above 21 %.

    A flow or FiO2 charted before, or together with, "no device" no longer counts.
    """
    holds = site.conventions.chart.oxygen_holds.value
    device = chart.latest("oxygen_device", at, holds)
    if device is not None and device.code != "none":
        return _given("oxygen_device", device, phrase("oxygen by {what}", what=Name(device.code)))
    amounts = [
        (kind, entry, entry.above(nothing))
        for kind, nothing in (("oxygen_flow", Decimal(0)), ("fio2", ROOM_AIR_FIO2))
        if (entry := latest_number(chart, kind, at, holds)) and (not device or entry.effective > device.effective)
    ]
    for kind, entry, given in amounts:
        if given:
            return _given(kind, entry, with_time(kind, entry))
    unclear = [only_a_bound(kind, entry) for kind, entry, given in amounts if given is None]
    if unclear or not (device or amounts):
        missing = unclear or [name_missing(chart, "oxygen_device", at, holds)]
        return Axis(None, missing=tuple(missing), conventions=(OXYGEN,))
    found = evidence(*[("oxygen_device", device)] if device else [], *((kind, entry) for kind, entry, _ in amounts))
    return Axis(ON_AIR, (phrase("room air: {n} (air)", n=ON_AIR),), found, conventions=(OXYGEN,))


def _given(kind: str, entry: Entry, how: Phrase) -> Axis:
    text = phrase("{what}: {n} (oxygen)", what=how, n=ON_OXYGEN)
    return Axis(ON_OXYGEN, (text,), evidence((kind, entry)), conventions=(OXYGEN,))


def _consciousness(chart: Chart, at: datetime, site: Site) -> Axis:
    """Alert if awake spontaneously. Any other level, or new confusion by a clinician's statement, is 3."""
    holds = site.conventions.icans.assessment_holds.value
    confused = chart.latest("new_confusion", at, holds)
    if confused is not None and confused.is_true:
        stated = phrase("{what} by a clinician's statement", what=Name("new_confusion"))
        text = phrase("{what}: {n} ({cell})", what=stated, n=NOT_ALERT, cell="C V P U")
        return Axis(NOT_ALERT, (text,), evidence(("new_confusion", confused)), conventions=(ASSESSMENTS,))
    entry = chart.latest("consciousness", at, holds)
    if entry is None:
        missing = name_missing(chart, "consciousness", at, holds)
        return Axis(None, missing=(missing,), conventions=(ASSESSMENTS,))
    alert = entry.code == "spontaneous"
    points, cell = (ALERT, "A") if alert else (NOT_ALERT, "C V P U")
    shown = phrase("{what} ({at})", what=coded("consciousness", entry.code), at=At(entry.effective))
    text = phrase("{what}: {n} ({cell})", what=shown, n=points, cell=cell)
    return Axis(points, (text,), evidence(("consciousness", entry)), conventions=(ASSESSMENTS,))

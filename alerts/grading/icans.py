"""Immune effector cell-associated neurotoxicity syndrome (ICANS), ASTCT 2019; its ICE score stands in `ice`.

Lee DW et al., ASTCT Consensus Grading for Cytokine Release Syndrome and Neurologic Toxicity Associated with
Immune Effector Cells. Biol Blood Marrow Transplant 2019;25:625-638, tables 4 to 6:

    domain          1                      2           3                          4
    ICE             7-9                    3-6         0-2                        0 because unarousable
    consciousness   awakens spontaneously  to voice    only to touch              unarousable, or vigorous touch
    seizure         -                      -           brief, or non-convulsive   prolonged, or repetitive
                                                       and resolving
    motor           -                      -           -                          deep focal weakness
    oedema          -                      -           focal                      diffuse, or a sign of pressure

Grade = the worst domain; death due to ICANS = 5. Under 12 years CAPD stands in for ICE: 1-8 is grade 1 (2 if
the child awakens only to voice), 9 or more is 3, unable is 4: charted as absent, with a reason that begins with
"unable". Tremor, myoclonus and intracranial haemorrhage do not count. Domains other than ICE are charted only when
abnormal: what is not charted there is normal.
"""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from alerts.chart.chart import Chart
from alerts.chart.entry import ABSENT, Entry
from alerts.grading import ice, statements
from alerts.grading.axis import Axis, evidence
from alerts.grading.bands import Cut, cell, levels
from alerts.grading.dependencies import Dependencies
from alerts.grading.ice import latest_scores, points_of
from alerts.grading.inputs import name_missing
from alerts.grading.result import Evidence, Grade, Points
from alerts.wording.codes import coded
from alerts.wording.phrase import Listed, Number, Phrase, joined, named, phrase
from config.site import Site

SYSTEM = "ICANS"
VERSION = "ASTCT 2019"

ICE_ROW = (
    Cut(1, "<=", Decimal(9), "7-9"),
    Cut(2, "<=", Decimal(6), "3-6"),
    Cut(3, "<=", Decimal(2), "0-2"),
)
CAPD_ROW = (
    Cut(1, ">=", Decimal(1), "1-8"),
    Cut(3, ">=", Decimal(9), "9 or more"),
)
UNAROUSABLE = 4
"""Grade of a patient who cannot be roused: the ICE row's "0 because unarousable" and the row below it."""

OTHER_CAUSE = "consciousness_other_cause"

UNABLE = "unable"
"""The beginning of a reason for an absent CAPD that means the table's "unable"."""


class TableCell(NamedTuple):
    """One cell of the table: the grade of a code, and the text of the table."""

    grade: int
    row: str


CODED_ROWS = {
    "consciousness": {
        "spontaneous": TableCell(0, "awakens spontaneously: grade 1 only together with an ICE below 10"),
        "voice": TableCell(2, "awakens to voice"),
        "touch": TableCell(3, "awakens only to touch"),
        "vigorous_touch": TableCell(4, "vigorous or repetitive touch, stupor"),
        "unarousable": TableCell(4, "unarousable, coma"),
    },
    "seizure": {
        "none": TableCell(0, "no seizure"),
        "brief": TableCell(3, "clinical, resolves rapidly"),
        "nonconvulsive_resolving": TableCell(3, "non-convulsive on EEG, resolves with intervention"),
        "prolonged": TableCell(4, "more than 5 min"),
        "repetitive": TableCell(4, "repetitive without return to baseline"),
    },
    "motor_weakness": {
        "none": TableCell(0, "no focal weakness"),
        "deep_focal": TableCell(4, "deep focal weakness: hemiparesis or paraparesis"),
    },
    "cerebral_edema": {
        "none": TableCell(0, "no oedema"),
        "focal": TableCell(3, "focal oedema on imaging"),
        "diffuse": TableCell(4, "diffuse oedema on imaging"),
    },
    "icp_sign": {
        "none": TableCell(0, "no sign of raised pressure"),
        "posturing": TableCell(4, "decerebrate or decorticate posture"),
        "cn6_palsy": TableCell(4, "sixth cranial nerve palsy"),
        "papilledema": TableCell(4, "papilloedema"),
        "cushing": TableCell(4, "Cushing's triad"),
    },
}

KINDS = frozenset(("ice", "capd", *CODED_ROWS, "consciousness_other_cause", "died_of_icans"))
"""Everything that can change the grade or the ICE score."""


def dependencies(site: Site) -> Dependencies:
    """The dependencies of the grade and the ICE score."""
    return Dependencies(
        KINDS, (site.conventions.icans.assessment_holds.value, site.conventions.crs.other_cause_holds.value)
    )


def both(chart: Chart, at: datetime, site: Site) -> tuple[Grade, Points]:
    """The grade and the ICE score."""
    return grade(chart, at, site), ice.score(chart, at, site)


def grade(chart: Chart, at: datetime, site: Site) -> Grade:
    """The ICANS grade, 0 to 5, with every assessment it rests on; None if the table cannot decide."""
    died = chart.latest("died_of_icans", at)
    if died is not None and died.is_true:
        return _result(at, Axis(5, (Phrase("death due to ICANS: grade 5"),), evidence(("died_of_icans", died))))
    consciousness = _consciousness(chart, at, site)
    cognition = _cognition(chart, at, site, consciousness)
    rows = [
        cognition,
        consciousness,
        _seizure(chart, at, site),
        *(_coded(kind, chart, at, site) for kind in ("motor_weakness", "cerebral_edema", "icp_sign")),
    ]
    return _result(at, *sorted(rows, key=lambda row: -1 if row.level is None else row.level, reverse=True))


def _result(at: datetime, *rows: Axis) -> Grade:
    """The worst of the rows, which come worst first."""
    worst = rows[0].level
    because = [reason for row in rows for reason in row.because]
    missing = tuple(name for row in rows for name in row.missing)
    undetermined = bool(missing) and not worst
    provisional = False
    if undetermined:
        because.append(Phrase("no other domain is abnormal: undetermined"))
    elif missing and worst and worst < UNAROUSABLE:
        provisional = True
        because.insert(0, phrase("at least grade {n}: {list} could make it worse", n=worst, list=Listed(missing)))
    return Grade(
        system=SYSTEM,
        version=VERSION,
        at=at,
        grade=None if undetermined else worst,
        provisional=provisional,
        because=tuple(because),
        evidence=tuple(item for row in rows for item in row.evidence),
        missing=missing,
        flags=tuple(flag for row in rows for flag in row.flags),
        conventions=tuple(dict.fromkeys(name for row in rows for name in row.conventions)),
    )


# -- ICE and CAPD ----------------------------------------------------------------------------------


def _cognition(chart: Chart, at: datetime, site: Site, consciousness: Axis) -> Axis:
    """The row of ICE, or of CAPD for a child."""
    born_known = chart.admission is not None and chart.admission.born is not None
    age = chart.admission.age(at.astimezone(site.zone)) if chart.admission else None
    if age is not None and age < site.conventions.icans.capd_below_age.value:
        row = _capd_row(chart, at, site, consciousness)
        return row._replace(conventions=(*row.conventions, "icans.capd_below_age"))
    row = _ice_row(chart, at, site, consciousness)
    if row.level is None and not born_known and chart.latest("capd", at):
        flag = Phrase("a CAPD is charted, the date of birth is not: CAPD grades only children")
        return row._replace(flags=(*row.flags, flag))
    return row


def _ice_row(chart: Chart, at: datetime, site: Site, consciousness: Axis) -> Axis:
    points = ice.score(chart, at, site)
    row = Axis(
        None,
        points.because,
        points.evidence,
        missing=points.missing,
        flags=points.flags,
        conventions=points.conventions,
    )
    if points.score is None:
        return row
    entry = points.evidence[0].entry
    level = levels(entry, ICE_ROW).lowest
    if points.score == 0 and consciousness.level == UNAROUSABLE:
        because = _graded(ICE_SCORE, 0, UNAROUSABLE, "0 because unarousable")
        return row._replace(level=UNAROUSABLE, because=(because,))
    text = _graded(ICE_SCORE, points.score, level, cell(level, ICE_ROW) or "10")
    if points.score == 0 and not consciousness.evidence:
        text = joined([text, phrase("0 because unarousable would be {n}", n=UNAROUSABLE)])
        return row._replace(level=level, because=(text,), missing=(named("consciousness"),))
    flags = (*points.flags, *_outdated(entry, level, consciousness))
    return row._replace(level=level, because=(text,), flags=flags)


ICE_SCORE, CAPD_SCORE = "ICE {score}: grade {n} ({what})", "CAPD {score}: grade {n} ({what})"


def _graded(text: str, score: int | Number, level: int, printed: str) -> Phrase:
    return phrase(text, score=score, n=level, what=Phrase(printed))


def _outdated(entry: Entry, level: int, consciousness: Axis) -> tuple[Phrase, ...]:
    """A flag if a better ICE was charted after a level of consciousness that does not allow it."""
    depressed = consciousness.level is not None and consciousness.level >= 3
    if not depressed or level >= 3 or any(item.entry.effective >= entry.effective for item in consciousness.evidence):
        return ()
    text = "consciousness was charted before the ICE of {n}: chart it again"
    return (phrase(text, n=int(points_of(entry))),)


def _capd_row(chart: Chart, at: datetime, site: Site, consciousness: Axis) -> Axis:
    entry = max(latest_scores(chart, "capd", at, site), key=points_of, default=None)
    found = evidence(*[("capd", entry)] if entry else [])
    row = Axis(None, (), found, conventions=("icans.assessment_holds",))
    if entry is not None and entry.value is not None:
        level = levels(entry, CAPD_ROW).lowest
        text = _graded(CAPD_SCORE, Number(entry.value), level, cell(level, CAPD_ROW) or "0")
        return row._replace(level=level, because=(text,))
    if entry is not None and (_unable(entry) or consciousness.level == UNAROUSABLE):
        return row._replace(level=UNAROUSABLE, because=(phrase("CAPD: grade {n} (unable)", n=UNAROUSABLE),))
    missing = name_missing(chart, "capd", at, site.conventions.icans.assessment_holds.value)
    return row._replace(because=(phrase("no CAPD assessment holds: {what}", what=missing),), missing=(missing,))


def _unable(entry: Entry) -> bool:
    """Whether the reason for an absent CAPD is that the child could not do it; any other leaves it unknown."""
    return entry.code == ABSENT and entry.note.lower().startswith(UNABLE)


# -- the coded rows --------------------------------------------------------------------------------


def _consciousness(chart: Chart, at: datetime, site: Site) -> Axis:
    """The row of consciousness, unused while a clinician attributes it to another cause."""
    said = statements.other_cause(chart, OTHER_CAUSE, at, site)
    row = _coded("consciousness", chart, at, site)
    if said is None:
        return row
    worse = _worse(chart, said, at, site)
    if worse is not None:
        return statements.ended(row, OTHER_CAUSE, said, worse)
    flag = Phrase("consciousness is put down to another cause: its row is not used")
    unused = Axis(0, flags=(flag,), conventions=("crs.other_cause_holds",))
    return statements.outranking(unused, OTHER_CAUSE, said, row, site)


def _worse(chart: Chart, said: Entry, at: datetime, site: Site) -> Evidence | None:
    """The first grade 4 consciousness after a statement that is worse than any it was made of. It ends it."""
    if not site.conventions.crs.worse_ends_statement.value:
        return None
    if _coded("consciousness", chart, said.effective, site).level == UNAROUSABLE:
        return None
    cells = CODED_ROWS["consciousness"]
    since = (entry for entry in chart.between("consciousness", said.effective, at) if entry.code in cells)
    grave = (entry for entry in since if cells[entry.code].grade == UNAROUSABLE)
    return next((Evidence("consciousness", entry) for entry in grave), None)


def _seizure(chart: Chart, at: datetime, site: Site) -> Axis:
    """The worst seizure since the last "none": a milder one after it does not lift it."""
    held = _charted("seizure", chart, at, site)
    clear = [entry.effective for entry in held if entry.code == "none"]
    return _worst("seizure", [entry for entry in held if not clear or entry.effective >= clear[-1]])


def _coded(kind: str, chart: Chart, at: datetime, site: Site) -> Axis:
    """The worst cell charted for the latest valid time."""
    held = _charted(kind, chart, at, site)
    return _worst(kind, [entry for entry in held if entry.effective == held[-1].effective])


def _charted(kind: str, chart: Chart, at: datetime, site: Site) -> list[Entry]:
    holds = site.conventions.icans.assessment_holds.value
    return [entry for entry in chart.between(kind, at - holds, at) if entry.code in CODED_ROWS[kind]]


def _worst(kind: str, found: list[Entry]) -> Axis:
    if not found:
        return Axis(None)
    entry = max(found, key=lambda entry: CODED_ROWS[kind][entry.code].grade)
    level, row = CODED_ROWS[kind][entry.code]
    shown = phrase("{what}: grade {n} ({what2})", what=coded(kind, entry.code), n=level, what2=Phrase(row))
    return Axis(level, (shown,), evidence((kind, entry)), conventions=("icans.assessment_holds",))

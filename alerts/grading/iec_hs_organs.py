"""What the criteria of the IEC-HS screen are made of, and those on the organs and the counts (`alerts.grading.iec_hs`).

One is enough: fibrinogen < 150 mg/dL; AST or ALT > 5 x ULN; a new grade 4 cytopenia by CTCAE.

- A count is new from the first of a row of grade 4 counts, which a count that was not grade 4 came before. Platelets,
  neutrophils and white cells are looked at: lymphocytes are grade 4 after lymphodepletion in everybody.
- Anaemia is grade 4 by a clinician's statement alone, and new from the first of a row of such statements.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import takewhile

from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from alerts.grading import ctcae_counts
from alerts.grading.axis import Axis, evidence
from alerts.grading.bands import Cut, ReferenceLimit, levels
from alerts.grading.inputs import latest_number, name_missing, only_a_bound, with_time
from alerts.wording.phrase import Arg, At, Length, Name, Number, Phrase, joined, phrase
from config.site import Site

FIBRINOGEN_BELOW = Decimal(150)
"""mg/dL."""
TRANSAMINASE_TIMES = 5
"""Multiple of the upper limit that AST or ALT must exceed."""
CYTOPENIAS = ("platelets", "neutrophils", "white_cells")
ANAEMIA = ctcae_counts.ROWS["anemia"].life_threatening
"""The statement that makes anaemia grade 4."""
GRADE_4 = 4

NO, YES = 0, 1
"""Whether a criterion is met; None if undetermined."""

KINDS = frozenset(("fibrinogen", "ast", "alt", ANAEMIA, *(ctcae_counts.ROWS[term].kind for term in CYTOPENIAS)))
"""Everything that can change these criteria."""


def above_limit(kind: str, entry: Entry, times: int) -> Axis:
    if entry.high is None:
        text = phrase("{what}: no upper reference limit", what=with_time(kind, entry))
        missing = phrase("{what}: {what2}", what=Name(kind), what2=Phrase(str(ReferenceLimit.HIGH)))
        return Axis(None, (text,), evidence((kind, entry)), missing=(missing,))
    return compared(kind, entry, Cut(YES, ">", times * entry.high, ""), OF_LIMIT, (times,))


def any_of(criteria: Iterable[Axis]) -> Axis:
    """Criteria of which one is enough."""
    read = list(criteria)
    met = [criterion for criterion in read if criterion.level == YES]
    unknown = [criterion for criterion in read if criterion.level is None]
    shown = met or read
    because = [reason for criterion in shown for reason in criterion.because]
    return Axis(
        YES if met else None if unknown else NO,
        (joined(because),) if because else (),
        tuple(dict.fromkeys(item for criterion in shown for item in criterion.evidence)),
        missing=() if met else tuple(dict.fromkeys(name for criterion in unknown for name in criterion.missing)),
        conventions=tuple(dict.fromkeys(name for criterion in shown for name in criterion.conventions)),
    )


PRINTED = ("{what} {sign} {n}", "{what} not {sign} {n}")
OF_LIMIT = ("{what} {sign} {n} x ULN ({n2})", "{what} not {sign} {n} x ULN ({n2})")


def compared(
    kind: str, entry: Entry, cut: Cut, texts: tuple[str, str] = PRINTED, against: tuple[Arg, ...] = ()
) -> Axis:
    """Whether a value is past a cut, with the first of two texts if it is. They contain `against` before the bound."""
    reached = cut.reached(entry)
    value = with_time(kind, entry)
    if reached is None:
        bound = phrase("{what}: only a bound", what=value)
        return Axis(None, (bound,), evidence((kind, entry)), missing=(only_a_bound(kind, entry),))
    text = Phrase(texts[not reached], (value, cut.sign, *against, Number(cut.bound)))
    return Axis(int(reached), (text,), evidence((kind, entry)))


def organ(chart: Chart, at: datetime, site: Site) -> Axis:
    """One of: low fibrinogen, high AST or ALT, a new grade 4 cytopenia."""
    holds = site.conventions.chart.laboratory_holds.value
    criteria = []
    for kind in ("fibrinogen", "ast", "alt"):
        entry = latest_number(chart, kind, at, holds)
        if entry is None:
            criteria.append(Axis(None, missing=(name_missing(chart, kind, at, holds),)))
        elif kind == "fibrinogen":
            criteria.append(compared(kind, entry, Cut(YES, "<", FIBRINOGEN_BELOW, "")))
        else:
            criteria.append(above_limit(kind, entry, TRANSAMINASE_TIMES))
    criteria += [_new_cytopenia(term, chart, at, site) for term in CYTOPENIAS]
    criteria.append(_new_anaemia(chart, at, site))
    row = any_of(criteria)
    return row._replace(conventions=("chart.laboratory_holds", *row.conventions))


def _new_cytopenia(term: str, chart: Chart, at: datetime, site: Site) -> Axis:
    """Grade 4 since not longer than a while, and not grade 4 before."""
    kind, cuts, _ = ctcae_counts.row(term, site)
    holds = site.conventions.chart.laboratory_holds.value
    latest = latest_number(chart, kind, at, holds)
    if latest is None:
        return Axis(None, missing=(name_missing(chart, kind, at, holds),))
    value, found = with_time(kind, latest), evidence((kind, latest))
    if not (now := _is_grade_4(latest, cuts)):
        missing = () if now is False else (only_a_bound(kind, latest),)
        return Axis(None if missing else NO, (phrase("{what}: not grade 4", what=value),), found, missing=missing)
    first, before = _row_of_grade_4(chart, kind, latest, cuts)
    window = site.conventions.iec_hs.cytopenia_new_for.value
    since = At(first.effective)
    row = Axis(NO, (_not_new(value, since, window),), found, conventions=("iec_hs.cytopenia_new_for",))
    if latest.effective - first.effective > window:
        return row
    if before is None or _is_grade_4(before, cuts) is None:
        is_open = phrase("{what}: grade 4 since {at}, whether new is open", what=value, at=since)
        missing = (phrase("{what} before {at}", what=Name(kind), at=since),)
        return row._replace(level=None, because=(is_open,), missing=missing)
    return row._replace(level=YES, because=(_new(value, since),), evidence=(*found, *evidence((kind, before))))


def _new(what: Arg, since: At) -> Phrase:
    return phrase("{what}: grade 4 since {at}: new", what=what, at=since)


def _not_new(what: Arg, since: At, window: timedelta) -> Phrase:
    text = "{what}: grade 4 since {at}, longer than {span}: not new"
    return phrase(text, what=what, at=since, span=Length(window))


def _new_anaemia(chart: Chart, at: datetime, site: Site) -> Axis:
    """Whether anaemia was first stated to be grade 4 recently. Without a statement it is not grade 4."""
    said = [entry for entry in chart.until(ANAEMIA, at) if entry.code in ("true", "false")]
    in_a_row = list(takewhile(lambda entry: entry.is_true, reversed(said)))
    if not in_a_row:
        return Axis(NO)
    first = in_a_row[-1]
    window = site.conventions.iec_hs.cytopenia_new_for.value
    stated, since = phrase("{what} by a clinician's statement", what=Name(ANAEMIA)), At(first.effective)
    row = Axis(YES, (_new(stated, since),), evidence((ANAEMIA, first)), conventions=("iec_hs.cytopenia_new_for",))
    if at - first.effective > window:
        return row._replace(level=NO, because=(_not_new(stated, since, window),))
    return row


def _row_of_grade_4(chart: Chart, kind: str, latest: Entry, cuts: tuple[Cut, ...]) -> tuple[Entry, Entry | None]:
    """The first of the grade 4 counts in a row that end at the latest, and the count before it."""
    first = latest
    for entry in reversed(chart.until(kind, latest.effective)):
        if entry.value is None or entry == latest:
            continue
        if not _is_grade_4(entry, cuts):
            return first, entry
        first = entry
    return first, None


def _is_grade_4(entry: Entry, cuts: tuple[Cut, ...]) -> bool | None:
    found = levels(entry, cuts)
    if found.lowest == GRADE_4:
        return True
    return False if found.highest < GRADE_4 else None

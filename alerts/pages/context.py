"""What a page also shows of a patient beside its finding, so that nobody has to ask or look it up.

None of it pages. A value that nobody charted is named as such: "no culture charted" is not "culture negative".
"""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from alerts.assessment.dose_ledger import (
    TOCILIZUMAB_FROM_KG,
    TOCILIZUMAB_MG_MOST,
    TOCILIZUMAB_MG_PER_KG,
    Ledger,
)
from alerts.assessment.steroids import reduced_at
from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from alerts.episodes.episode import Episode
from alerts.grading import pressures
from alerts.grading.inputs import amount, latest_number
from alerts.pages.concern import ASTCT
from alerts.wording.phrase import Arg, At, Length, Listed, Name, Phrase, joined, phrase
from config.site import Site

FEVER = ("crs", "febrile_neutropenia")
BLOOD_COUNTS = ("cytopenia", "febrile_neutropenia")
EXPANSION = ("crs", "icans", "iec_hs")
"""Conditions on whose pages the context of a fever, of a blood count, and the peak of the CAR-T cells stand."""

EXAMINED_FROM = 2
"""The ICANS grade from which the protocol lines name EEG and imaging (ASCO)."""

TOTALLED = ("red_cell_transfusion", "platelet_transfusion", "filgrastim")

_MILLILITRES = {"mL": 1, "ml": 1, "L": 1000, "l": 1000}


class ContextLine(NamedTuple):
    """One line of context, and the conventions on which it rests."""

    text: Phrase
    conventions: tuple[str, ...] = ()


def context(
    chart: Chart, at: datetime, site: Site, episodes: Collection[Episode], *, whole: bool = False
) -> list[ContextLine]:
    """The context of some episodes, in order of importance; the `whole` context for the page of a patient."""
    about = {episode.condition for episode in episodes}
    found = [*(_flare(chart, one, site) for one in episodes), _examinations(chart, at, episodes)]
    if whole or about.intersection(FEVER):
        found += [_infection(chart, at, site, whole=whole), _fluids(chart, at, site)]
    if whole or about.intersection(BLOOD_COUNTS):
        found.append(_totals(chart, at))
    if whole or about.intersection(EXPANSION):
        found.append(_expansion(chart, at, site))
    found.append(_allergies(chart, whole=whole))
    return [line for line in found if line is not None]


# -- flares ----------------------------------------------------------------------------------------------


def _flare(chart: Chart, episode: Episode, site: Site) -> ContextLine | None:
    """A grade that rose or returned soon after a reduction of the steroid."""
    if episode.condition not in ASTCT or not episode.level:
        return None
    reduced = reduced_at(chart, episode.raised_at, site)
    if reduced is None or episode.raised_at - reduced > site.conventions.steroids.taper_within.value:
        return None
    text = "{name} {n}: flare on taper, the steroid was reduced on {at}"
    words = phrase(text, name=episode.condition.upper(), n=episode.level, at=At(reduced))
    return ContextLine(words, ("steroids.taper_within", "steroids.taper_spaced"))


# -- tocilizumab by weight ---------------------------------------------------------------------------


def next_tocilizumab(chart: Chart, given: Ledger, at: datetime, site: Site) -> ContextLine:
    """The doses that the protocol still allows, and the milligrams of one by the patient's weight."""
    room = given.room(at)
    if given.next_tocilizumab_at is None:
        return ContextLine(room)
    weight = latest_number(chart, "weight", at, site.conventions.context.weight_holds.value)
    if weight is None:
        return ContextLine(joined([room, Phrase("weight not charted")]))
    return ContextLine(joined([room, _dose_by(weight)]), ("context.weight_holds",))


def _dose_by(weight: Entry) -> Phrase:
    known: dict[str, Arg] = {"amount": amount("weight", weight), "at": At(weight.effective)}
    if weight.value is None or weight.comparator or weight.value < TOCILIZUMAB_FROM_KG:
        return phrase("weight {amount} ({at})", **known)
    milligrams = min(round(weight.value * TOCILIZUMAB_MG_PER_KG), TOCILIZUMAB_MG_MOST)
    return phrase("weight {amount} ({at}): 8 mg/kg is {n} mg", **known, n=milligrams)


# -- infection -----------------------------------------------------------------------------------------


INFECTION = ("neutrophils", "culture_positive", "infection_imaging", "antibiotic")


def _infection(chart: Chart, at: datetime, site: Site, *, whole: bool) -> ContextLine | None:
    """Neutrophils, culture, imaging and antibiotic, if one of them is charted.

    Of fevers after the infusion 10 to 22 % are infections, and neither CRP nor vital signs tell them from CRS.
    """
    if not whole and not any(chart.until(kind, at) for kind in INFECTION):
        return None
    parts = (_neutrophils(chart, at, site), _culture(chart, at), _imaging(chart, at), _antibiotic(chart, at, site))
    conventions = ("context.antibiotic_gap",) if chart.until("antibiotic", at) else ()
    return ContextLine(phrase("infection: {list}", list=Listed(parts)), conventions)


def _neutrophils(chart: Chart, at: datetime, site: Site) -> Phrase:
    count = latest_number(chart, "neutrophils", at, site.conventions.chart.laboratory_holds.value)
    if count is None:
        return Phrase("neutrophils not charted")
    return phrase("neutrophils {amount}", amount=amount("neutrophils", count))


def _culture(chart: Chart, at: datetime) -> Phrase:
    entry = chart.latest("culture_positive", at)
    if entry is None:
        return Phrase("no culture charted")
    return Phrase("culture positive {at}" if entry.is_true else "culture negative {at}", (At(entry.effective),))


def _imaging(chart: Chart, at: datetime) -> Phrase:
    entry = chart.latest("infection_imaging", at)
    if entry is None:
        return Phrase("no imaging charted")
    return Phrase("infection on imaging {at}" if entry.is_true else "imaging clear {at}", (At(entry.effective),))


def _antibiotic(chart: Chart, at: datetime, site: Site) -> Phrase:
    """Since when antibiotics are given without a pause, or when the last was."""
    last = next(chart.newest_first("antibiotic", at), None)
    if last is None:
        return Phrase("no antibiotic charted")
    since = _running_since(chart.newest_first("antibiotic", at), at, site)
    if since is None:
        return phrase("antibiotic until {at}", at=At(last.effective))
    return phrase("antibiotic since {at}", at=At(since))


def _running_since(doses: Iterable[Entry], at: datetime, site: Site) -> datetime | None:
    """The first of the doses, newest first, that follow one another; an infusion runs until it is stopped."""
    gap, since, later = site.conventions.context.antibiotic_gap.value, None, at
    for entry in doses:
        if entry.code == "stopped" or (entry.code == "given" and later - entry.effective > gap):
            break
        since = later = entry.effective
    return since


# -- fluids ----------------------------------------------------------------------------------------------


def _fluids(chart: Chart, at: datetime, site: Site) -> ContextLine | None:
    """Fluid boluses of the last hours; with a pressure that is low after much of it."""
    conventions = site.conventions.context
    within = conventions.fluid_within.value
    given = [entry for entry in chart.between("fluid_bolus", at - within, at) if entry.code != "stopped"]
    if not given:
        return None
    volumes = [_millilitres(entry) for entry in given]
    known = [volume for volume in volumes if volume is not None]
    counted: dict[str, Arg] = {"length": Length(within), "n": len(given)}
    if len(known) < len(volumes):
        text = phrase("fluid boluses in {length}: {n}, not all with a volume", **counted)
    else:
        text = phrase("fluid boluses in {length}: {n}, {n2} mL", **counted, n2=int(sum(known)))
    if sum(known) > conventions.fluid_much.value and _pressure_is_low(chart, at, site):
        text = joined([text, Phrase("the pressure is low all the same (an ICU trigger)")])
    return ContextLine(text, ("context.fluid_within",))


def _millilitres(entry: Entry) -> Decimal | None:
    factor = _MILLILITRES.get(entry.unit)
    return None if entry.value is None or factor is None else entry.value * factor


def _pressure_is_low(chart: Chart, at: datetime, site: Site) -> bool:
    """Whether the latest systolic or mean pressure is hypotension by the site's numbers."""
    now, limits = pressures.pressures(chart, at, site), site.conventions.crs
    pairs = ((now.systolic, limits.hypotension_systolic), (now.mean, limits.hypotension_mean))
    return any(entry is not None and entry.below(limit.value) for entry, limit in pairs)


# -- examinations ----------------------------------------------------------------------------------------


def _examinations(chart: Chart, at: datetime, episodes: Iterable[Episode]) -> ContextLine | None:
    """EEG, MRI and lumbar puncture since ICANS of grade 2 or more began; the first two are owed until then."""
    icans = next((one for one in episodes if one.condition == "icans" and one.level >= EXAMINED_FROM), None)
    if icans is None:
        return None
    found = Listed(tuple(_done(chart, icans.opened_at, at)))
    return ContextLine(phrase("ICANS {n}: {list}", n=icans.level, list=found))


def _done(chart: Chart, since: datetime, at: datetime) -> Iterator[Phrase]:
    for name, owed in (("eeg_done", "EEG owed"), ("mri_done", "MRI owed"), ("lumbar_puncture_done", "")):
        entry = chart.latest(name, at)
        if entry is not None and entry.is_true and entry.effective >= since:
            yield phrase("{name} {at}", name=Name(name), at=At(entry.effective))
        elif owed:
            yield Phrase(owed)


# -- the stay --------------------------------------------------------------------------------------------


def _totals(chart: Chart, at: datetime) -> ContextLine | None:
    """Transfusions and doses of growth factor since the infusion."""
    since = chart.infused
    given = [name for name, entry in chart.given(TOTALLED, at) if since is None or entry.effective >= since]
    parts = [phrase("{name} × {n}", name=Name(name), n=given.count(name)) for name in TOTALLED if name in given]
    return ContextLine(phrase("since the infusion: {list}", list=Listed(tuple(parts)))) if parts else None


def _expansion(chart: Chart, at: datetime, site: Site) -> ContextLine | None:
    """The highest count of CAR-T cells since the infusion, and its day."""
    since = chart.infused
    if since is None:
        return None
    counts = [entry for entry in chart.between("car_t_cells", since, at) if not entry.comparator.startswith("<")]
    peak = max((entry for entry in counts if entry.value is not None), key=lambda entry: entry.value or 0, default=None)
    if peak is None:
        return None
    day = chart.day(peak.effective, site.zone) or 0
    return ContextLine(phrase("CAR-T cells: peak {amount} on day {n}", amount=amount("car_t_cells", peak), n=day))


def _allergies(chart: Chart, *, whole: bool) -> ContextLine | None:
    known = chart.admission.allergies if chart.admission is not None else ""
    if known:
        return ContextLine(phrase("allergies: {note}", note=known))
    return ContextLine(Phrase("allergies not charted")) if whole else None

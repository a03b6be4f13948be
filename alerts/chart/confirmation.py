"""Confirmation of noisy numbers: confirm a value that is cheap to repeat, never delay what a person found.

A reading charted by a person counts at once, and so does one whose sender does not say who found it. A stream counts
once enough of its samples agree. Every number here is a convention of the site (`confirmation` in
`conventions.yaml`). Samples have distinct times of one source: a repeated message is one sample.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import NamedTuple

from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from config.conventions import ConfirmationConventions
from config.site import Site

STREAMS = ("monitor", "patch", "device")
CUFFS = ("cuff", "monitor", "device")
ARTERIAL = "arterial_line"

Abnormal = Callable[[Entry], bool | None]


class Confirmed(NamedTuple):
    """Whether an abnormal value counts, the samples that decided, and the convention applied ("" for at once)."""

    counts: bool
    samples: tuple[Entry, ...]
    convention: str = ""


LOOKED_BACK = 20
"""The most unconfirmed samples skipped in the search for one that decides."""


class Decided(NamedTuple):
    """The reading that decides a row, whether it is abnormal, and the unconfirmed abnormal samples skipped."""

    entry: Entry
    confirmed: Confirmed
    unconfirmed: tuple[Entry, ...]


def decide(newest_first: Iterable[Entry], abnormal: Abnormal, confirm: Callable[[Entry], Confirmed]) -> Decided:
    """The latest reading that decides: a confirmed abnormal one, or a normal one.

    An abnormal sample that is not confirmed neither counts nor undoes what stood before it. There must be one reading.
    """
    passed: list[Entry] = []
    for entry in islice(newest_first, LOOKED_BACK):
        confirmed = confirm(entry)
        if confirmed.counts or not abnormal(entry):
            return Decided(entry, confirmed, tuple(passed))
        passed.append(entry)
    return Decided(passed[0], Confirmed(False, ()), tuple(passed))


def temperature(chart: Chart, latest: Entry, febrile: Abnormal, site: Site) -> Confirmed:
    """Fever by a stream: enough of the last samples, or lasting long enough, or so high that it counts at once."""
    if latest.by not in STREAMS:
        return Confirmed(bool(febrile(latest)), (latest,))
    if site.conventions.outpatient.fever_at_once.value and chart.setting(latest.effective).name == "outpatient":
        return Confirmed(bool(febrile(latest)), (latest,), "outpatient.fever_at_once")
    rules = site.conventions.confirmation
    if latest.at_least(rules.temperature_at_once.value):
        return Confirmed(True, (latest,), "confirmation.temperature_at_once")
    samples = _samples(chart, "temperature", latest, rules.temperature_window.value, rules.temperature_of.value)
    agreeing = [entry for entry in samples if febrile(entry)]
    if len(agreeing) >= rules.temperature_samples.value:
        return Confirmed(True, tuple(agreeing), "confirmation.temperature_samples")
    holds = site.conventions.chart.temperature_holds.value
    run = _run(chart, "temperature", latest, febrile, holds) if febrile(samples[-1]) else []
    lasting = bool(run) and latest.effective - run[0].effective >= rules.temperature_lasting.value
    convention = "confirmation.temperature_lasting" if lasting else "confirmation.temperature_samples"
    return Confirmed(lasting, tuple(run or agreeing or samples[-1:]), convention)


def pressure(
    chart: Chart,
    kind: str,
    latest: Entry,
    low: Abnormal,
    site: Site,
    *,
    severe: str = "",
    alert: bool = False,
    usable: Callable[[Entry], bool] | None = None,
) -> Confirmed:
    """Hypotension by a cuff or an arterial line, from the latest sample and those before it that are `usable`.

    A severe value (`severe` names the convention that says so), and any low value of a patient who is febrile or in an
    open CRS episode (`alert`), count at once when a cuff or a person found them; an arterial line must show them for a
    while, because a flush looks the same.
    """
    rules = site.conventions.confirmation
    if latest.by == ARTERIAL:
        run = _run(chart, kind, latest, low, rules.pressure_window.value, usable)
        lasted = bool(run) and latest.effective - run[0].effective >= rules.arterial_lasting.value
        return Confirmed(lasted, tuple(run), "confirmation.arterial_lasting")
    if latest.by not in CUFFS or severe or alert:
        return Confirmed(bool(low(latest)), (latest,), severe if latest.by in CUFFS else "")
    return _cuff(chart, kind, latest, low, rules, usable)


def _cuff(
    chart: Chart,
    kind: str,
    latest: Entry,
    low: Abnormal,
    rules: ConfirmationConventions,
    usable: Callable[[Entry], bool] | None,
) -> Confirmed:
    """Two of two close together, two of three in a window, or two in a row if nobody measures more often."""
    window, consecutive = rules.pressure_window.value, rules.pressure_consecutive.value
    samples = _samples(chart, kind, latest, max(window, consecutive), 3, usable)
    pair = tuple(entry for entry in samples[-2:] if latest.effective - entry.effective <= consecutive)
    both_low = len(pair) == 2 and all(low(entry) for entry in pair)
    if both_low and pair[1].effective - pair[0].effective <= rules.pressure_pair.value:
        return Confirmed(True, pair, "confirmation.pressure_pair")
    agreeing = tuple(entry for entry in samples if latest.effective - entry.effective <= window and low(entry))
    if both_low and len(agreeing) < 2:
        return Confirmed(True, pair, "confirmation.pressure_consecutive")
    return Confirmed(len(agreeing) >= 2, agreeing or (latest,), "confirmation.pressure_window")


def saturation(chart: Chart, latest: Entry, low: Abnormal, site: Site) -> Confirmed:
    """Hypoxia by a stream: lasting long enough, or enough of the last samples. Very low values need less time."""
    if latest.by not in STREAMS:
        return Confirmed(bool(low(latest)), (latest,))
    rules = site.conventions.confirmation
    window = _samples(chart, "spo2", latest, rules.saturation_window.value, 3)
    run = _run(chart, "spo2", latest, low, site.conventions.chart.vitals_hold.value) if low(window[-1]) else []
    if run and latest.effective - run[0].effective >= rules.saturation_lasting.value:
        return Confirmed(True, tuple(run), "confirmation.saturation_lasting")
    very_low = _very_low(chart, latest, rules) if window[-1].below(rules.saturation_at_once.value) else ()
    if very_low:
        return Confirmed(True, very_low, "confirmation.saturation_at_once")
    agreeing = [entry for entry in window if low(entry)]
    return Confirmed(len(agreeing) >= 2, tuple(agreeing or [latest]), "confirmation.saturation_window")


def _very_low(chart: Chart, latest: Entry, rules: ConfirmationConventions) -> tuple[Entry, ...]:
    bound = rules.saturation_at_once.value
    run = _run(chart, "spo2", latest, lambda entry: entry.below(bound), rules.saturation_window.value)
    if run and latest.effective - run[0].effective >= rules.saturation_at_once_lasting.value:
        return tuple(run)
    return ()


def _samples(
    chart: Chart,
    kind: str,
    latest: Entry,
    window: timedelta,
    most: int,
    usable: Callable[[Entry], bool] | None = None,
) -> list[Entry]:
    """The last samples of the same source and way of measuring, oldest first. The last has the time of the latest."""
    return list(islice(_backwards(chart, kind, latest, window, usable), most))[::-1]


def _run(
    chart: Chart,
    kind: str,
    latest: Entry,
    abnormal: Abnormal,
    window: timedelta,
    usable: Callable[[Entry], bool] | None = None,
) -> list[Entry]:
    """The unbroken run of abnormal samples that ends at the latest, oldest first."""
    return list(takewhile(abnormal, _backwards(chart, kind, latest, window, usable)))[::-1]


def _backwards(
    chart: Chart, kind: str, latest: Entry, window: timedelta, usable: Callable[[Entry], bool] | None
) -> Iterator[Entry]:
    """Samples of the same source and way of measuring that are usable, newest first: one for each time."""
    seen: datetime | None = None
    for entry in chart.back(kind, latest.effective, window):
        same = entry.value is not None and entry.source == latest.source and entry.by == latest.by
        if same and entry.effective != seen and (usable is None or entry is latest or usable(entry)):
            seen = entry.effective
            yield entry

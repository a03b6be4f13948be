"""The evaluation of a stream on all cores: every stay under every policy, and the measures of each."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from os import sched_getaffinity
from pathlib import Path
from typing import NamedTuple, TypeVar

from config.site import Site, load_site
from worker.quality.answers import AnswerModel
from worker.quality.cohort import CohortPlan, PatientTruth, Simulated, decoded, simulate
from worker.quality.m_easix import Scored, scored
from worker.quality.measures import Measures, measure
from worker.quality.policies import OURS, StayOutcome, outcome
from worker.quality.stream import Stay, opened, read

T = TypeVar("T")
R = TypeVar("R")


class EvaluationSettings(NamedTuple):
    """How a stream is evaluated. `by_hand`: sources in which a person charts what a device measured."""

    config_dir: Path | None
    answers: AnswerModel
    seed: int
    comparators: bool
    by_hand: tuple[str, ...] = ()


def cores() -> int:
    """The processor cores that this process may use."""
    return len(sched_getaffinity(0))


def on_all_cores(work: Callable[[T], R], items: Sequence[T], processes: int | None = None) -> Iterator[R]:
    """The results in the order of the items, as they become known."""
    count = min(processes or cores(), len(items))
    if count <= 1:
        yield from map(work, items)
        return
    with get_context("spawn").Pool(count) as pool:
        yield from pool.imap(work, items)


@dataclass(frozen=True)
class Simulate:
    """One patient of a cohort, as a task."""

    plan: CohortPlan

    def __call__(self, number: int) -> Simulated:
        return simulate(self.plan, number)


@dataclass(frozen=True)
class Evaluate:
    """One stay, as a task. A process reads the configuration once."""

    settings: EvaluationSettings

    def __call__(self, stay: Stay) -> StayOutcome | None:
        settings = self.settings
        found = read(stay)
        if not found.messages:
            return None
        site = _site(settings.config_dir, settings.by_hand)
        return outcome(
            stay.patient, found.messages, found.unread, site, settings.answers, settings.seed, settings.comparators
        )


@dataclass(frozen=True)
class ScoreStay:
    """m-EASIX of one stay, as a task."""

    config_dir: Path | None

    def __call__(self, stay: Stay) -> Scored | None:
        return scored(stay, _site(self.config_dir, ()))


_sites: dict[tuple[Path | None, tuple[str, ...]], Site] = {}


def _site(folder: Path | None, by_hand: tuple[str, ...]) -> Site:
    if (folder, by_hand) not in _sites:
        _sites[folder, by_hand] = with_hand_charted(load_site(folder), by_hand)
    return _sites[folder, by_hand]


def with_hand_charted(site: Site, sources: tuple[str, ...]) -> Site:
    """The site with some sources added to those in which a person charts what a device measured."""
    if not sources:
        return site
    known = site.conventions.chart.charted_by_hand
    by_hand = known.model_copy(update={"value": (*known.value, *sources)})
    chart = site.conventions.chart.model_copy(update={"charted_by_hand": by_hand})
    return site._replace(conventions=site.conventions.model_copy(update={"chart": chart}))


def read_truths(path: Path) -> dict[str, PatientTruth]:
    """The truth of each patient of a cohort.

    Raises:
        msgspec.DecodeError: a line is no truth.
    """
    with opened(path) as lines:
        return {truth.patient: truth for truth in decoded(lines)}


def measured(outcomes: Iterable[StayOutcome], truths: Mapping[str, PatientTruth], site: Site) -> dict[str, Measures]:
    """The measures of each policy, ours first."""
    known = list(outcomes)
    policies = known[0].pages if known else {OURS: []}
    return {policy: measure(policy, known, truths, site.zone) for policy in policies}

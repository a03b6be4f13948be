"""The first part of a step: merged records, and every message folded into the chart.

A step folds its messages in any order. It notes the clinical moments that they touch, and what they correct.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from alerts.chart.chart import Chart
from alerts.chart.charting import Placed, place_message
from alerts.chart.draft import ChartDraft
from alerts.episodes import lifecycle
from alerts.grading import pressures
from alerts.message_fields import Status
from alerts.messages import AnyMessage, Entered, Fault, Reading, Registration
from alerts.pages.concern import Ending
from alerts.rules.after_discharge import AFTER_DISCHARGE
from alerts.rules.finding import RuleMemory
from alerts.state import Unregistered, dead_letter
from alerts.step import responses
from alerts.step.merging import pass_on, take_merges, unregistered_of
from alerts.step.retraction import changes
from alerts.step.run import StepRun
from alerts.step.system_faults import intake_fault
from alerts.wording.catalogue import in_code

_CHARTED = Entered | Registration


def merge_records(run: StepRun, messages: Sequence[AnyMessage]) -> None:
    """Apply merges of records: freeze this record, or evaluate it again."""
    was_frozen = bool(run.state.merged_into)
    run.state = take_merges(run.state, messages, run.now, run.site, run.effects)
    is_frozen = bool(run.state.merged_into)
    if is_frozen and not was_frozen:
        _freeze(run)
    elif was_frozen and not is_frozen:
        run.state = replace(run.state, review_at=run.now, unregistered=unregistered_of(run.state))


def _freeze(run: StepRun) -> None:
    link = run.state.merges.frozen_by
    assert link is not None, "frozen"
    ending = Ending("merged", link.at, link.source, link.by, record=link.other)
    run.state = responses.end_all(run.state, ending, run.now, run.site, run.effects, run.news)
    run.state = replace(run.state, review_at=None, unregistered=None)


def fold_messages(run: StepRun, messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """Fold every message that is charted into the chart. Return the others."""
    rest: list[AnyMessage] = []
    draft = ChartDraft(run.state.chart)
    read: list[tuple[AnyMessage, Placed]] = []
    forwards = run.state.merges.goes_to is not None
    for message in messages:
        corrects = isinstance(message, Entered) and _may_correct(draft, message)
        before = draft.chart() if corrects or forwards else None
        placed = place_message(draft, message, run.now, run.site)
        if placed.unusable is not None:
            run.effects.dead_letters.append(dead_letter(message, in_code(placed.unusable, UTC), run.now))
            _report(run, intake_fault(message, placed.unusable, run.now))
        elif isinstance(message, _CHARTED):
            if before is not None:
                _compare(run, message, before, draft.chart(), corrects=corrects)
            run.moments.add(placed.moment)
            run.corrected = run.corrected or placed.corrects
            if not isinstance(message, Entered):
                _register(run, placed.moment, draft.chart())
        else:
            rest.append(message)
        _count_unregistered(run, message)
        read.append((message, placed))
    _thin(run, draft.chart(), [placed for _, placed in read])
    _count_contradicted(run, read)
    return rest


def _may_correct(draft: ChartDraft, message: Entered) -> bool:
    """Whether a message corrects another, or is the final version of a preliminary one, on which grades may rest."""
    is_correction = message.status >= Status.CORRECTED or message.supersedes is not None
    return is_correction or draft.knows_version(message.source, message.id)


def _compare(run: StepRun, message: Entered | Registration, before: Chart, now: Chart, *, corrects: bool) -> None:
    """Forward a message that changed the chart of a merged record; record what a correction changed."""
    goes_to = run.state.merges.goes_to
    if goes_to is not None and _is_news(message, before, now):
        pass_on(message, goes_to.other, run.now, run.effects)
    if corrects and isinstance(message, Entered):
        run.corrections = run.corrections.and_by(message)
        run.changes += changes(before, now, message, run.now)


def _is_news(message: AnyMessage, known: Chart, chart: Chart) -> bool:
    """Whether a message changes the chart. A merged record has already forwarded its contents."""
    if isinstance(message, Registration):
        return chart.registrations != known.registrations
    return chart is not known


def _report(run: StepRun, fault: Fault) -> None:
    """Report a fault of a source once for all its messages of this step."""
    if all(known.condition != fault.condition for known in run.effects.faults):
        run.effects.faults.append(fault)


def _thin(run: StepRun, unthinned: Chart, placed: Sequence[Placed]) -> None:
    """Thin the chart where entries were placed, and skip the moments of which no entry is kept by the minute."""
    before = run.state.chart
    touched = {one.entry for one in placed if one.entry is not None}
    run.touched = touched
    chart = unthinned.thinned(before, touched)
    kept = chart.worth_a_look(touched)
    corrected = {one.moment for one in placed if one.entry is not None and one.corrects}
    run.moments -= {at for _, at in touched} - {at for _, at in kept} - corrected
    cache = run.state.result_cache.after(before, chart, unthinned=unthinned)
    run.state = replace(run.state, chart=chart, result_cache=cache)


def _count_contradicted(run: StepRun, read: Sequence[tuple[AnyMessage, Placed]]) -> None:
    """List contradictory pressures among the dead letters, though they are charted."""
    chart = run.state.chart
    for message, placed in () if run.state.merged_into else read:
        if not isinstance(message, Reading) or message.reading not in pressures.KINDS:
            continue
        at = placed.moment
        if pressures.is_contradicted(chart, message.reading, at, message.source, message.id, run.site):
            why = f"{message.reading}: {in_code(pressures.CONTRADICTED, UTC)}"
            run.effects.dead_letters.append(dead_letter(message, why, run.now))


def _register(run: StepRun, moment: datetime, chart: Chart) -> None:
    state = run.state
    returned = state.discharged_at is not None and moment > state.discharged_at
    discharged_at = None if returned else state.discharged_at
    run.moments |= _moments_so_far(run, chart)
    if not (state.registered or state.episodes or state.past):
        # Nobody was paged before the registration: assess every charted moment as if its values came in now.
        run.before, state = None, replace(state, rule_memory=RuleMemory())
    state = replace(state, registered=True, unregistered=None, discharged_at=discharged_at)
    notice = state.episodes.get(AFTER_DISCHARGE)
    if returned and notice is not None:
        state = state.with_episode_result(AFTER_DISCHARGE, lifecycle.closed(notice, run.now, "resolved"))
    run.state = state


def _count_unregistered(run: StepRun, message: AnyMessage) -> None:
    """Count a message for a patient without registration."""
    if run.state.registered or run.state.merged_into:
        return
    if isinstance(message, Entered):
        known = run.state.unregistered or Unregistered(0, run.now, run.now)
        run.state = replace(run.state, unregistered=known.and_by(message.source, run.now))


def _moments_so_far(run: StepRun, chart: Chart) -> set[datetime]:
    """The moments charted before the first registration, as far back as a finding may still page."""
    if run.state.registered or chart.newest is None:
        return set()
    return set(chart.times(chart.entries, chart.newest, after=run.pages_since))

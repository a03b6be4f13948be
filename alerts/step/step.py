"""The whole evaluation of a patient in one pure function: `step(state, messages, now, site)`.

1. Fold every message into the chart, in any order (`folding.py`). After a correction, retract the episodes and the
   grades (`grades.py`) that lost their evidence.
2. Look back: page a finding that was charted late if it is worse than any page about its time; also what is true of a
   later time only with what was charted late (`late_entries.py`).
3. Walk through the clinical moments that the messages touched, oldest first, to the newest moment of the chart. At
   each one assess the patient and apply the findings to the episodes. Responses, receipts, silences and discharges are
   applied among them, by time.
4. Notify: ask every ladder who is due now, and compose one page per person and channel.
"""

from collections.abc import Sequence, Set
from datetime import UTC, datetime

from msgspec.structs import replace

from alerts.assessment.assessment import Assessment, assess, assess_each, assess_onward
from alerts.episodes import escalation, lifecycle
from alerts.episodes.episode import Episode, cancel_pages
from alerts.grading import crs
from alerts.messages import SITE_SUBJECT, AnyMessage
from alerts.pages.concern import LATE, URGENCIES_PAGED_AT_END, PageConcern, pages_end
from alerts.rules.after_discharge import AFTER_DISCHARGE, after_discharge, rests_on_news
from alerts.rules.finding import Finding
from alerts.rules.run import findings, next_review, remember
from alerts.state import Effects, PatientState
from alerts.step import compose, late_entries, responses
from alerts.step.folding import fold_messages, merge_records
from alerts.step.grades import amend_grades, issue_grades, retract_grades
from alerts.step.journal_events import closed_event
from alerts.step.managers import manager_reports
from alerts.step.retraction import evidence_removed_by, statement_behind, without_evidence
from alerts.step.run import StepRun
from alerts.step.system_faults import gap_fault
from alerts.step.unregistered import findings_of
from alerts.wording.phrase import At, phrase
from config.site import Site


def step(
    state: PatientState, messages: Sequence[AnyMessage], now: datetime, site: Site
) -> tuple[PatientState, Effects]:
    """The next state of a patient after some messages and whatever is due at `now`, with the effects of the step.

    The function is pure: the same arguments give the same result, and `state` is not changed.
    """
    run = StepRun(state, now, site)
    merge_records(run, messages)
    answered = fold_messages(run, messages)
    if run.corrected:
        _retract_episodes(run)
    if run.corrections.messages:
        retract_grades(run)
    _look_back(run)
    _walk(run, answered)
    amend_grades(run)
    _notify(run)
    return run.state, run.effects


def _retract_episodes(run: StepRun) -> None:
    """Close the episodes that lost their evidence and lower those that lost part of it. Notify everybody paged."""
    for episode, left in without_evidence(run.state, run.site):
        if left is None:
            _end(run, _retracted(run, episode))
            run.state = run.state.with_episode_result(
                episode.condition, lifecycle.closed(episode, run.now, "retracted")
            )
        else:
            run.effects.cancelled.extend(run.state.cancellable(episode.pending, besides=episode))
            lowered = lifecycle.fall_back_to(cancel_pages(episode, run.now), left)
            run.state = run.state.with_episode(lowered)
            if episode.notified:
                run.news.add_ended(replace(_retracted(run, episode), left=lowered))


def _retracted(run: StepRun, episode: Episode) -> PageConcern:
    """A retracted episode as a page reports it, with the corrections that removed its evidence."""
    changes = (
        evidence_removed_by(run.changes, run.state, run.uncorrected, episode, run.site) if episode.notified else ()
    )
    return PageConcern(episode, "retracted", _infusion_moved(run, episode), changes=changes)


def _infusion_moved(run: StepRun, episode: Episode) -> Finding | None:
    """The finding that the time of infusion was corrected, if it was."""
    infused = run.state.chart.infused
    if infused is None or infused == run.infused_before:
        return None
    because = phrase("the infusion is registered for {at}", at=At(infused))
    return Finding(condition=episode.condition, level=0, urgency="low", title=episode.title, because=(because,))


def _look_back(run: StepRun) -> None:
    """Apply findings that rest on what was charted late, and are worse than any page about their time."""
    if run.before is None or not run.state.is_assessed:
        return
    late = {moment for moment in run.moments if run.pages_since <= moment < run.before}
    moments = late | _later_moments(run, late, run.before) if late else late
    for assessment, cache in assess_each(run.state.chart, moments, run.site, run.state.result_cache):
        moment, run.state = assessment.at, replace(run.state, result_cache=run.state.result_cache.or_else(cache))
        for finding in findings_of(run.state, assessment, run.site):
            if moment not in late and finding.condition not in late_entries.CONDITIONS:
                continue
            episode = run.state.episodes.get(finding.condition)
            past = run.state.past.get(finding.condition)
            if lifecycle.news_of_the_past(episode, past, finding, moment):
                _follow(run, replace(finding, events=()), moment)


def _later_moments(run: StepRun, late: Set[datetime], until: datetime) -> set[datetime]:
    """The moments up to a time at which late entries may make something true besides their own."""
    chart = run.state.chart
    entries = [(kind, at) for kind, at in run.touched if at in late]
    found = late_entries.febrile_moments(chart, entries, until)
    of_crs = [at for kind, at in entries if kind in crs.KINDS]
    if of_crs:
        rises, cache = late_entries.crs_rises(chart, min(of_crs), until, run.site, run.state.result_cache)
        run.state = replace(run.state, result_cache=cache)
        found |= rises
    return found


def _walk(run: StepRun, answered: Sequence[AnyMessage]) -> None:
    """Assess the moments and apply the responses in order of time, up to the newest moment of the chart."""
    since = run.pages_since if run.before is None else max(run.before, run.pages_since)
    onward = {moment for moment in run.moments if moment >= since}
    newest = run.state.chart.newest
    if run.moments and newest is not None:
        onward.add(newest if newest >= run.pages_since else run.now)
    if run.state.review_at is not None and run.state.review_at <= run.now:
        onward.add(run.now)
    order: list[tuple[datetime, int, datetime | AnyMessage]] = [(moment, 0, moment) for moment in onward]
    order += [(message.effective.astimezone(UTC), 1, message) for message in answered]
    for _, _, item in sorted(order, key=lambda entry: entry[:2]):
        if isinstance(item, datetime):
            _assess(run, item)
        else:
            run.state = responses.apply_response(run.state, item, run.now, run.site, run.effects, run.news)


def _all_late(run: StepRun) -> bool:
    """Whether every message is of a time well before the last assessment."""
    apart = run.site.conventions.chart.one_set.value
    if run.before is None or not run.moments:
        return False
    return all(run.before - moment > apart for moment in run.moments)


def _assess(run: StepRun, moment: datetime) -> None:
    if not run.state.is_assessed:
        _report_after_discharge(run, moment)
        return
    assessment, cache = assess_onward(run.state.chart, moment, run.site, run.state.result_cache)
    run.latest = assessment
    found = findings_of(run.state, assessment, run.site)
    for finding in found:
        _follow(run, finding, moment)
    _undetermined(run, {finding.condition for finding in found}, moment)
    if run.state.is_graded:
        issue_grades(run, assessment)
    # A sender whose clock is ahead must not make the messages of other senders look late.
    run.state = replace(
        run.state,
        at=min(moment, run.now),
        review_at=next_review(found, assessment, run.state.chart, run.site),
        result_cache=cache,
        rule_memory=remember(assessment, run.state.chart, run.state.rule_memory),
    )


def _report_after_discharge(run: StepRun, moment: datetime) -> None:
    """Open or update the low notice about a discharged patient, with the grades that new values would give."""
    left = run.state.discharged_at
    if left is None or not run.state.registered or run.state.merged_into:
        return
    assessment = assess(run.state.chart, moment, run.site, run.state.result_cache)
    found = findings(run.state.rule_memory, assessment, run.state.chart, run.site, run.state.returning)
    late = run.moments if run.discharged_before else frozenset[datetime]()
    news = [one for one in found if one.level and rests_on_news(one, left, late)]
    if news or AFTER_DISCHARGE in run.state.episodes:
        run.latest = assessment
        _follow(run, after_discharge(news), moment)


def _undetermined(run: StepRun, known: set[str], moment: datetime) -> None:
    """Set the present level to undetermined for open episodes on which no rule has a finding."""
    for condition, episode in list(run.state.episodes.items()):
        if condition not in known and episode.level_now is not None:
            run.state = run.state.with_episode(lifecycle.now_at(episode, None, moment))


def _follow(run: StepRun, finding: Finding, moment: datetime) -> None:
    condition = finding.condition
    before = run.state.episodes.get(condition)
    past = run.state.past.get(condition)
    if finding.level == 0 and before is None and (past is None or past.closed_at_severity is None):
        return
    apart = run.site.conventions.crs.clear_sets_apart.value
    if _all_late(run) and any(item.entry.effective in run.moments for item in finding.evidence):
        finding = replace(finding, title=phrase(LATE, what=finding.title))
    followed = lifecycle.apply_finding(run.state.patient, before, past, finding, moment, run.now, apart)
    if followed.reason == "resolved" and before is not None:
        _end(run, _resolved(run, before, finding, moment))
    elif followed.episode is not None:
        run.news.add(followed.episode.id, finding)
        if before is not None:
            _lowered(run, before, followed.episode, finding, moment)
        if before is not None and finding.rests and before.level > lifecycle.LOWEST and before.notified:
            run.news.add_ended(PageConcern(before, "resolved", finding), alone=pages_end(before, "resolved"))
    run.state = run.state.with_episode_result(condition, followed)


def _resolved(run: StepRun, episode: Episode, finding: Finding, moment: datetime) -> PageConcern:
    """An episode that resolved, with the statement that ended it, if one did."""
    ending = statement_behind(run.state, finding, episode.opened_at, moment, run.site)
    return PageConcern(episode, "ended" if ending else "resolved", finding, ending=ending)


def _lowered(run: StepRun, before: Episode, episode: Episode, finding: Finding, moment: datetime) -> None:
    """If a new statement lowers an urgent episode, notify everybody paged, and name the author of the statement."""
    was, now = before.level_now, episode.level_now
    if was is None or now is None or now >= was or episode.highest not in URGENCIES_PAGED_AT_END:
        return
    ending = statement_behind(run.state, finding, episode.opened_at, moment, run.site)
    if ending is not None and ending.at in run.moments:
        run.news.add_ended(PageConcern(episode, "better", finding, ending=ending))


def _end(run: StepRun, ended: PageConcern) -> None:
    """End an episode: cancel its pending pages, and notify everybody paged."""
    episode = ended.episode
    run.effects.cancelled.extend(run.state.cancellable(episode.pending, besides=episode))
    run.effects.events.append(closed_event(run.state, episode, ended.reason, run.now, run.site))
    if episode.notified and (ended.reason == "retracted" or episode.highest in URGENCIES_PAGED_AT_END):
        rested = ended.finding is not None and ended.finding.rested
        run.news.add_ended(ended, alone=pages_end(episode, ended.reason) and not rested)


def _notify(run: StepRun) -> None:
    """Ask every ladder who is due now, and compose the pages."""
    due_now = []
    for episode in list(run.state.episodes.values()):
        episode = lifecycle.renewed_by_treatment(episode, run.state.chart, run.now)
        due = escalation.due_unless_silenced(episode, run.state.silences, run.now, run.site)
        run.state = run.state.with_episode(due.episode)
        run.effects.faults.extend(gap_fault(role, run.now) for role in due.gaps)
        if due.notifications:
            due_now.append(due)
    run.news.to_managers.extend(manager_reports(run.uncorrected, run.state, run.site))
    if not (due_now or run.news.ended or run.news.to_managers):
        return
    assessment = run.latest or _assess_for_repeats(run)
    composed = compose.compose_pages(run.state, due_now, run.news, assessment, run.now, run.site)
    run.state = composed.state
    run.effects.pages.extend(composed.pages)
    run.effects.events.extend(composed.events)
    run.effects.cancelled.extend(composed.cancelled)


def _assess_for_repeats(run: StepRun) -> Assessment | None:
    """An assessment for a page that only a ladder calls for: the patient as charted now."""
    if not run.state.is_assessed or run.state.patient == SITE_SUBJECT:
        return None
    at = max(run.now, run.state.chart.newest or run.now)
    assessment, _ = assess_onward(run.state.chart, at, run.site, run.state.result_cache)
    for finding in findings_of(run.state, assessment, run.site):
        episode = run.state.episodes.get(finding.condition)
        if episode is not None:
            run.news.add(episode.id, finding)
    return assessment

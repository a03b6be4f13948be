"""The whole of cartwatch's judgement in one pure function: `step(state, messages, now, site)`.

1. Fold every message into the chart, in any order. After a correction, take back what has lost its ground.
2. Of what was charted late, look for what says more than anybody was told about its time.
3. Walk through the clinical moments the messages touched, oldest first, and last through the newest moment of the
   chart: assess, and let the rules carry the episodes on. Acknowledgements, silences, closures, receipts and the
   discharge are taken among them, by time.
4. Let the ladders say who is due to be told now, and write one page per person.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from alerts.assessment import issued_grades
from alerts.assessment.assessment import Assessment, assess, assess_each, assess_onward, shown_value
from alerts.assessment.issued_grades import Corrections, GradeToRecheck, grade_id, last_issued, next_number
from alerts.chart.chart import Chart, Ids
from alerts.chart.charting import Charted, moment_of, place_message
from alerts.episodes import escalation, lifecycle
from alerts.episodes.episode import Episode, cancel_pages
from alerts.grading import crs, pressures
from alerts.grading.result import Result
from alerts.messages import SITE_SUBJECT, AnyMessage, Fault, Reading, Registration, Statement, Treatment
from alerts.pages.concern import ENDING_IS_TOLD, LATE, ChartCorrection, Ending, PageConcern
from alerts.rules.after_discharge import AFTER_DISCHARGE, after_discharge, rests_on_news
from alerts.rules.finding import Finding, RuleMemory
from alerts.rules.run import findings, next_review, remember
from alerts.state import Effects, PatientState, Unregistered, dead_letter
from alerts.step import compose, responses
from alerts.step.compose import StepNews
from alerts.step.journal_events import closed_event, grade_event, regrade_event
from alerts.step.merging import pass_on, take_merges, unregistered_of
from alerts.step.retraction import changes, lost_ground, statement_behind, took_ground
from alerts.step.system_faults import close_quiet, gap_fault, intake_fault
from alerts.step.unregistered import findings_of
from alerts.wording.catalogue import in_code
from alerts.wording.phrase import At, Phrase, phrase
from config.site import Site

_CHARTED = (Reading, Statement, Treatment, Registration)


def step(
    state: PatientState, messages: Sequence[AnyMessage], now: datetime, site: Site
) -> tuple[PatientState, Effects]:
    """One patient's messages, and whatever is due at `now`, taken to the next state and what is to be done.

    Pure: the same arguments give the same answer. `state` is not changed.
    """
    run = _Step(state, now, site)
    run.merge(messages)
    answered = run.fold(messages)
    if run.corrected:
        run.retract_episodes()
    if run.corrections.messages:
        run.retract_grades()
    run.look_back()
    run.walk(answered)
    run.amend_grades()
    run.tell()
    return run.state, run.effects


class _Step:
    """One run of `step`: the state as it changes, and the effects as they gather."""

    def __init__(self, state: PatientState, now: datetime, site: Site) -> None:
        self.state = close_quiet(state, now)
        self.before = state.at
        self.discharged_before = state.discharged_at is not None
        self.now = now
        self.site = site
        self.effects = Effects()
        self.news = StepNews()
        self.moments: set[datetime] = set()
        self.corrected = False
        self.uncorrected = state.chart
        self.changes: list[ChartCorrection] = []
        self.infused_before = state.chart.infused
        self.corrections = Corrections()
        self.to_recheck: list[GradeToRecheck] = []
        self.latest: Assessment | None = None

    # -- 0. merging ------------------------------------------------------------------------------

    def merge(self, messages: Sequence[AnyMessage]) -> None:
        """See under which record this one goes on; freeze it, or evaluate it again."""
        was_frozen = bool(self.state.merged_into)
        self.state = take_merges(self.state, messages, self.now, self.site, self.effects)
        is_frozen = bool(self.state.merged_into)
        if is_frozen and not was_frozen:
            self._freeze()
        elif was_frozen and not is_frozen:
            self.state = replace(self.state, review_at=self.now, unregistered=unregistered_of(self.state))

    def _freeze(self) -> None:
        link = self.state.merges.frozen_by
        assert link is not None, "frozen"
        ending = Ending("merged", link.at, link.source, link.by, record=link.other)
        self.state = responses.end_all(self.state, ending, self.now, self.site, self.effects, self.news)
        self.state = replace(self.state, review_at=None, unregistered=None)

    # -- 1. folding ------------------------------------------------------------------------------

    def fold(self, messages: Sequence[AnyMessage]) -> list[AnyMessage]:
        """Chart what can be charted and note the moments it touches; return the messages that are not charted."""
        rest: list[AnyMessage] = []
        before = self.state.chart
        placed: list[Charted] = []
        ids = Ids()
        goes_to = self.state.merges.goes_to
        for message in messages:
            charted = place_message(self.state.chart, message, self.now, self.site, ids)
            if charted.unusable is not None:
                self.state = replace(self.state, chart=charted.chart)
                self._count_unregistered(message)
                self.effects.dead_letters.append(dead_letter(message, in_code(charted.unusable, UTC), self.now))
                self._report(intake_fault(message, charted.unusable, self.now))
            elif isinstance(message, _CHARTED):
                if goes_to is not None and self._is_news(message, charted.chart):
                    pass_on(message, goes_to.other, self.now, self.effects)
                self.corrected = self.corrected or charted.corrects
                if not isinstance(message, Registration) and (charted.corrects or self._finalises(message)):
                    self.corrections = self.corrections.and_by(message)
                    self.changes += changes(self.state.chart, charted.chart, message, self.now)
                self._take_over(message, charted.chart, charted.corrects)
                placed.append(charted)
            else:
                rest.append(message)
        self._thin(before, placed)
        self._count_contradicted(messages)
        self.state = replace(self.state, result_cache=self.state.result_cache.after(before, self.state.chart))
        return rest

    def _is_news(self, message: AnyMessage, chart: Chart) -> bool:
        """Whether a message changes the chart. What a merged record has already, it has passed on already."""
        known = self.state.chart
        if isinstance(message, Registration):
            return chart.registrations != known.registrations
        return chart is not known

    def _report(self, fault: Fault) -> None:
        """A fault of a source, once for all its messages that come together."""
        if all(known.condition != fault.condition for known in self.effects.faults):
            self.effects.faults.append(fault)

    def _thin(self, before: Chart, charted: Sequence[Charted]) -> None:
        """Thin what was placed, and forget the moments that are not worth a look."""
        touched = {one.placed for one in charted if one.placed is not None}
        chart = self.state.chart.thinned(before, touched)
        kept = chart.worth_a_look(touched)
        corrected = {one.placed[1] for one in charted if one.placed is not None and one.corrects}
        self.moments -= {at for _, at in touched} - {at for _, at in kept} - corrected
        course = self.state.course
        if course is not None and any(kind in crs.KINDS and course.reaches(at) for kind, at in kept):
            course = None
        self.state = replace(self.state, chart=chart, course=course)

    def _finalises(self, message: AnyMessage) -> bool:
        """Whether it is the final version of a preliminary one, on which grades may rest."""
        return self.state.chart.knows_version(message.source, message.id)

    def _count_contradicted(self, messages: Sequence[AnyMessage]) -> None:
        """Pressures that no body can have together are charted, and listed with what was not used."""
        for message in () if self.state.merged_into else messages:
            if not isinstance(message, Reading) or message.reading not in pressures.KINDS:
                continue
            at = moment_of(message, self.now, self.site)
            chart = self.state.chart
            if pressures.is_contradicted(chart, message.reading, at, message.source, message.id, self.site):
                why = f"{message.reading}: {in_code(pressures.CONTRADICTED, UTC)}"
                self.effects.dead_letters.append(dead_letter(message, why, self.now))

    def _take_over(self, message: AnyMessage, chart: Chart, corrects: bool) -> None:
        moment = moment_of(message, self.now, self.site)
        self.moments.add(moment)
        changes_the_past = corrects or isinstance(message, Registration)
        state = replace(self.state, chart=chart, course=None if changes_the_past else self.state.course)
        if isinstance(message, Registration):
            returned = state.discharged_at is not None and moment > state.discharged_at
            discharged_at = None if returned else state.discharged_at
            self.moments |= self._moments_so_far(chart)
            if not (state.registered or state.episodes or state.past):
                # Nobody was paged before the registration: walk through what was charted as if it came in now.
                self.before, state = None, replace(state, rule_memory=RuleMemory())
            state = replace(state, registered=True, unregistered=None, discharged_at=discharged_at)
            notice = state.episodes.get(AFTER_DISCHARGE)
            if returned and notice is not None:
                state = state.with_episode_result(AFTER_DISCHARGE, lifecycle.closed(notice, self.now, "resolved"))
        self.state = state
        self._count_unregistered(message)

    def _count_unregistered(self, message: AnyMessage) -> None:
        """Count a message that is charted, or shown as unusable, for a patient nobody has registered."""
        if self.state.registered or self.state.merged_into:
            return
        if isinstance(message, Reading | Statement | Treatment):
            known = self.state.unregistered or Unregistered(0, self.now, self.now)
            self.state = replace(self.state, unregistered=known.and_by(message.source, self.now))

    def _moments_so_far(self, chart: Chart) -> set[datetime]:
        """What was charted before the first registration, as far back as a finding may still page."""
        if self.state.registered or chart.newest is None:
            return set()
        return set(chart.times(chart.entries, chart.newest, after=self.pages_since))

    @property
    def pages_since(self) -> datetime:
        """What was true before this is charted, and no longer paged."""
        return self.now - self.site.conventions.chart.late_page_within.value

    def retract_episodes(self) -> None:
        """Close the episodes that have lost their ground, lower those that have lost part of it, and say so."""
        for episode, left in lost_ground(self.state, self.site):
            if left is None:
                self._end(self._retracted(episode))
                self.state = self.state.with_episode_result(
                    episode.condition, lifecycle.closed(episode, self.now, "retracted")
                )
            else:
                self.effects.cancelled.extend(self.state.cancellable(episode.pending, besides=episode))
                lowered = lifecycle.fall_back_to(cancel_pages(episode, self.now), left)
                self.state = self.state.with_episode(lowered)
                if episode.notified:
                    self.news.add_ended(replace(self._retracted(episode), left=lowered))

    def _retracted(self, episode: Episode) -> PageConcern:
        """An episode that lost its ground, with the corrections that took it."""
        took = took_ground(self.changes, self.state, self.uncorrected, episode, self.site) if episode.notified else ()
        return PageConcern(episode, "retracted", self._infusion_moved(episode), changes=took)

    def _infusion_moved(self, episode: Episode) -> Finding | None:
        """That the ground of an episode went with another time of infusion."""
        infused = self.state.chart.infused
        if infused is None or infused == self.infused_before:
            return None
        title = episode.title if isinstance(episode.title, Phrase) else Phrase(episode.title)
        because = phrase("the infusion is registered for {at}", at=At(infused))
        return Finding(condition=episode.condition, level=0, urgency="low", title=title, because=(because,))

    def retract_grades(self) -> None:
        """Take back the grades of late that have lost their ground; keep in mind those that may be given otherwise."""
        for one in issued_grades.grades_to_recheck(
            self.state.issued_grades, self.state.chart, self.corrections, self.site
        ):
            if not one.is_lost(self.state.chart):
                self.to_recheck.append(one)
                continue
            self.effects.events.append(regrade_event(self._as_assessed_now(one), "entered_in_error"))
            gone = replace(one.issued, retracted=True)
            self.state = replace(
                self.state, issued_grades=issued_grades.replace(self.state.issued_grades, one.system, one.issued, gone)
            )

    def _as_assessed_now(self, one: GradeToRecheck) -> dict[str, Any]:
        """The journal line of a result as it is assessed now, under the id it was given with."""
        number = one.issued.number
        id = grade_id(self.state.patient, one.system, one.issued.at, number)
        return grade_event(
            self.state.patient, one.system, one.result, one.issued.value, one.now, self.site, id=id, status="amended"
        )

    # -- 2. looking back -------------------------------------------------------------------------

    def look_back(self) -> None:
        """Of what was charted late, page what nobody was told about its time."""
        if self.before is None or not self.state.is_assessed:
            return
        late = [moment for moment in self.moments if self.pages_since <= moment < self.before]
        for assessment in assess_each(self.state.chart, late, self.site):
            moment = assessment.at
            for finding in findings_of(self.state, assessment, self.site):
                episode = self.state.episodes.get(finding.condition)
                past = self.state.past.get(finding.condition)
                if lifecycle.news_of_the_past(episode, past, finding, moment):
                    self._follow(replace(finding, events=()), moment)

    # -- 3. assessing ----------------------------------------------------------------------------

    def walk(self, answered: Sequence[AnyMessage]) -> None:
        """Go through the moments and the answers by time, and end at the newest moment of the chart."""
        since = self.pages_since if self.before is None else max(self.before, self.pages_since)
        onward = {moment for moment in self.moments if moment >= since}
        newest = self.state.chart.newest
        if self.moments and newest is not None:
            onward.add(newest if newest >= self.pages_since else self.now)
        if self.state.review_at is not None and self.state.review_at <= self.now:
            onward.add(self.now)
        order: list[tuple[datetime, int, datetime | AnyMessage]] = [(moment, 0, moment) for moment in onward]
        order += [(message.effective.astimezone(UTC), 1, message) for message in answered]
        for _, _, item in sorted(order, key=lambda entry: entry[:2]):
            if isinstance(item, datetime):
                self._assess(item)
            else:
                self.state = responses.take(self.state, item, self.now, self.site, self.effects, self.news)

    @property
    def _all_late(self) -> bool:
        """Whether everything that came in speaks of a time well before the last assessment."""
        apart = self.site.conventions.chart.one_set.value
        if self.before is None or not self.moments:
            return False
        return all(self.before - moment > apart for moment in self.moments)

    def _assess(self, moment: datetime) -> None:
        if not self.state.is_assessed:
            self._report_after_discharge(moment)
            return
        assessment, cache = assess_onward(
            self.state.chart, moment, self.site, self.state.course, self.state.result_cache
        )
        self.latest = assessment
        found = findings_of(self.state, assessment, self.site)
        for finding in found:
            self._follow(finding, moment)
        self._undetermined({finding.condition for finding in found}, moment)
        if self.state.is_graded:
            self._note_grades(assessment)
        # A sender whose clock runs ahead must not make what others send now look late.
        self.state = replace(
            self.state,
            at=min(moment, self.now),
            review_at=next_review(found, assessment, self.state.chart, self.site),
            course=assessment.course,
            result_cache=cache,
            rule_memory=remember(assessment, self.state.chart, self.state.rule_memory),
        )

    def _report_after_discharge(self, moment: datetime) -> None:
        """One low notice of what has come in of a patient who is discharged for good, with the grade it would have."""
        left = self.state.discharged_at
        if left is None or not self.state.registered or self.state.merged_into:
            return
        assessment = assess(self.state.chart, moment, self.site, self.state.course)
        found = findings(self.state.rule_memory, assessment, self.state.chart, self.site, self.state.returning)
        late = self.moments if self.discharged_before else frozenset[datetime]()
        told = [one for one in found if one.level and rests_on_news(one, left, late)]
        if told or AFTER_DISCHARGE in self.state.episodes:
            self.latest = assessment
            self._follow(after_discharge(told), moment)

    def _undetermined(self, known: set[str], moment: datetime) -> None:
        """Of the open episodes whose condition no rule answers any more, the level now is not known."""
        for condition, episode in list(self.state.episodes.items()):
            if condition not in known and episode.level_now is not None:
                self.state = self.state.with_episode(lifecycle.now_at(episode, None, moment))

    def _follow(self, finding: Finding, moment: datetime) -> None:
        condition = finding.condition
        before = self.state.episodes.get(condition)
        apart = self.site.conventions.crs.clear_sets_apart.value
        past = self.state.past.get(condition)
        if self._all_late and any(item.entry.effective in self.moments for item in finding.evidence):
            finding = replace(finding, title=phrase(LATE, what=finding.title))
        followed = lifecycle.apply_finding(self.state.patient, before, past, finding, moment, self.now, apart)
        if followed.reason == "resolved" and before is not None:
            self._end(self._resolved(before, finding, moment))
        elif followed.episode is not None:
            self.news.add(followed.episode.id, finding)
            if before is not None:
                self._lowered(before, followed.episode, finding, moment)
        self.state = self.state.with_episode_result(condition, followed)

    def _resolved(self, episode: Episode, finding: Finding, moment: datetime) -> PageConcern:
        """An episode that is over, with the statement that ended it, if one did."""
        ending = statement_behind(self.state, finding, episode.opened_at, moment, self.site)
        return PageConcern(episode, "ended" if ending else "resolved", finding, ending=ending)

    def _lowered(self, before: Episode, episode: Episode, finding: Finding, moment: datetime) -> None:
        """Where a statement that has just come in lowers an urgent episode, whoever was paged is notified by whom."""
        was, now = before.level_now, episode.level_now
        if was is None or now is None or now >= was or episode.highest not in ENDING_IS_TOLD:
            return
        ending = statement_behind(self.state, finding, episode.opened_at, moment, self.site)
        if ending is not None and ending.at in self.moments:
            self.news.add_ended(PageConcern(episode, "better", finding, ending=ending))

    def _end(self, ended: PageConcern) -> None:
        """An episode ended by itself: its pages are no longer owed, and whoever was paged is told."""
        episode = ended.episode
        self.effects.cancelled.extend(self.state.cancellable(episode.pending, besides=episode))
        self.effects.events.append(closed_event(self.state, episode, ended.reason, self.now, self.site))
        if episode.notified and (ended.reason == "retracted" or episode.highest in ENDING_IS_TOLD):
            self.news.add_ended(ended)

    def _note_grades(self, assessment: Assessment) -> None:
        values = dict(self.state.last_values)
        for system, result in assessment.grades().items():
            value = shown_value(result)
            if values.get(system) != value:
                self._give(system, result, assessment)
                values[system] = value
        self.state = replace(self.state, last_values=values)

    def _give(self, system: str, result: Result, assessment: Assessment) -> None:
        """Tell a grade that changed, and remember it. Of one time it is the same grade, until it is taken back."""
        state = self.state
        before = last_issued(state.issued_grades, system, assessment.at)
        number = next_number(before)
        amends = before is not None and not before.retracted
        event = grade_event(
            state.patient,
            system,
            result,
            state.last_values.get(system),
            assessment,
            self.site,
            id=grade_id(state.patient, system, assessment.at, number),
            status="amended" if amends else "final",
        )
        self.effects.events.append(event)
        grades = issued_grades.append(
            state.issued_grades, system, issued_grades.issued(event, result, assessment.at, number)
        )
        self.state = replace(state, issued_grades=grades)

    def amend_grades(self) -> None:
        """Correct the grades of late that are given otherwise now, unless the walk has given them anew."""
        for one in self.to_recheck:
            if last_issued(self.state.issued_grades, one.system, one.issued.at) != one.issued:
                continue
            event = self._as_assessed_now(one)
            corrected = issued_grades.issued(event, one.result, one.issued.at, one.issued.number)
            if corrected != one.issued:
                self.effects.events.append(regrade_event(event, "amended"))
                self.state = replace(
                    self.state,
                    issued_grades=issued_grades.replace(self.state.issued_grades, one.system, one.issued, corrected),
                )

    # -- 4. notification ------------------------------------------------------------------------------

    def tell(self) -> None:
        """Ask every ladder who is due now, and write the pages."""
        dues = []
        for episode in list(self.state.episodes.values()):
            due = escalation.due_unless_silenced(episode, self.state.silences, self.now, self.site)
            self.state = self.state.with_episode(due.episode)
            self.effects.faults.extend(gap_fault(role, self.now) for role in due.gaps)
            if due.notifications:
                dues.append(due)
        if not dues and not self.news.ended:
            return
        assessment = self.latest or self._assess_for_repeats()
        written = compose.compose_pages(self.state, dues, self.news, assessment, self.now, self.site)
        self.state = written.state
        self.effects.pages.extend(written.pages)
        self.effects.events.extend(written.events)
        self.effects.cancelled.extend(written.cancelled)

    def _assess_for_repeats(self) -> Assessment | None:
        """What a page says when a ladder alone calls for it: the patient as charted now."""
        if not self.state.is_assessed or self.state.patient == SITE_SUBJECT:
            return None
        at = max(self.now, self.state.chart.newest or self.now)
        assessment, _ = assess_onward(self.state.chart, at, self.site, self.state.course, self.state.result_cache)
        for finding in findings_of(self.state, assessment, self.site):
            episode = self.state.episodes.get(finding.condition)
            if episode is not None:
                self.news.add(episode.id, finding)
        return assessment

"""The whole of cartwatch's judgement in one pure function: `step(watch, messages, now, site)`.

1. Fold every message into the chart, in any order.
2. Walk through the clinical moments the messages touched, oldest first: assess, and let the rules carry the
   episodes on. A moment before the last assessment counts only where it says more than anybody was told.
3. Take acknowledgements, silences, closures and receipts in order of time among those moments.
4. Let the ladders say who is due to be told now, and write one page per person.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from alerts import episodes, escalation, telling
from alerts.assessment import Assessment, assess, shown_value
from alerts.chart import Chart
from alerts.charting import chart_message
from alerts.episodes import Followed
from alerts.events import acknowledged_event, closed_event, grade_event
from alerts.faults import close_quiet, intake_fault, note_fault, undeliverable_fault
from alerts.findings import Finding, findings, seen
from alerts.messages import (
    SITE_SUBJECT,
    Acknowledgement,
    AnyMessage,
    Closure,
    Discharge,
    Fault,
    Reading,
    Receipt,
    Registration,
    Silence,
    Statement,
    Treatment,
)
from alerts.telling import Tidings
from alerts.watch import Effects, Unclaimed, Watch, sets_aside
from config.site import Site

ENDING_IS_TOLD = ("critical", "high")
"""That an episode of less urgency is over is seen on the board, and no reason to disturb anybody."""

_CHARTED = (Reading, Statement, Treatment, Registration)


class _Step:
    """One run of `step`: the state as it changes, and the effects as they gather."""

    def __init__(self, watch: Watch, now: datetime, site: Site) -> None:
        self.watch = watch
        self.now = now
        self.site = site
        self.effects = Effects()
        self.tidings = Tidings()
        self.latest: Assessment | None = None

    # -- 1. folding ------------------------------------------------------------------------------

    def fold(self, messages: Sequence[AnyMessage]) -> tuple[list[datetime], bool, list[AnyMessage]]:
        """Chart what can be charted; return the moments touched, whether the past was corrected, and the rest."""
        moments: set[datetime] = set()
        corrected = False
        rest: list[AnyMessage] = []
        for message in messages:
            charted = chart_message(self.watch.chart, message, self.now, self.site)
            if charted.unusable:
                self.effects.set_aside.append(sets_aside(message, charted.unusable, self.now))
                self.effects.faults.append(intake_fault(message, charted.unusable, self.now))
                continue
            if not isinstance(message, _CHARTED):
                rest.append(message)
                continue
            corrected = corrected or charted.corrects
            moment = message.effective.astimezone(UTC)
            moments.add(moment)
            self._take_over(message, moment, charted.chart, charted.corrects)
        if any(isinstance(message, Registration) for message in messages):
            moments |= self._moments_so_far()
        return sorted(moments), corrected, rest

    def _moments_so_far(self) -> set[datetime]:
        """What was charted before the registration came, as far back as a finding may still page."""
        newest = self.watch.chart.newest
        if newest is None:
            return set()
        since = newest - self.site.proxies.chart.late_page_within.value
        charted = self.watch.chart.times(self.watch.chart.entries, newest)
        return {moment for moment in charted if moment >= since}

    def _take_over(self, message: AnyMessage, moment: datetime, chart: Chart, corrects: bool) -> None:
        watch = replace(self.watch, chart=chart)
        stale = watch.course is not None and (
            corrects
            or isinstance(message, Registration)
            or (watch.course.as_of is not None and moment <= watch.course.as_of)
        )
        if stale:
            watch = replace(watch, course=None)
        if isinstance(message, Registration):
            watch = replace(watch, registered=True, unclaimed=None, discharged_at=None)
        elif not watch.registered:
            known = watch.unclaimed or Unclaimed(0, self.now, self.now)
            watch = replace(watch, unclaimed=Unclaimed(known.count + 1, known.first, self.now))
        self.watch = watch

    # -- 2. assessing ----------------------------------------------------------------------------

    def assess(self, moment: datetime) -> None:
        """Assess one clinical moment and carry every episode on."""
        if not self.watch.registered or self.watch.discharged_at is not None:
            return
        late = self.watch.at is not None and moment < self.watch.at
        known = None if late else self.watch.course
        assessment = assess(self.watch.chart, moment, self.site, known)
        found = findings(self.watch.seen, assessment, self.watch.chart, self.site)
        if late:
            if self.now - moment <= self.site.proxies.chart.late_page_within.value:
                self._follow_late(found, moment)
            return
        self.latest = assessment
        for finding in found:
            self._follow(finding, moment)
        self._note_grades(assessment)
        self.watch = replace(self.watch, at=moment, course=assessment.course, seen=seen(assessment, self.watch.seen))

    def _follow_late(self, found: list[Finding], moment: datetime) -> None:
        for finding in found:
            episode = self.watch.episodes.get(finding.condition)
            past = self.watch.past.get(finding.condition)
            if episodes.news_of_the_past(episode, past, finding, moment):
                title = f"{finding.title} (charted late)"
                self._follow(replace(finding, title=title, event=""), moment)

    def _follow(self, finding: Finding, moment: datetime) -> None:
        before = self.watch.episodes.get(finding.condition)
        apart = self.site.proxies.crs.clear_sets_apart.value
        followed = episodes.follow(
            self.watch.patient,
            before,
            self.watch.past.get(finding.condition),
            finding,
            moment,
            self.now,
            apart,
        )
        self._keep(finding.condition, followed)
        if followed.reason == "resolved" and before is not None:
            self._end(before, "resolved", finding)
        elif followed.episode is not None:
            self.tidings.know(followed.episode.id, finding)

    def _keep(self, condition: str, followed: Followed) -> None:
        current = {**self.watch.episodes}
        past = {**self.watch.past}
        current.pop(condition, None)
        past.pop(condition, None)
        if followed.episode is not None:
            current[condition] = followed.episode
        if followed.past is not None:
            past[condition] = followed.past
        self.watch = replace(self.watch, episodes=current, past=past)

    def _end(self, episode: episodes.Episode, reason: episodes.Reason, finding: Finding | None) -> None:
        """An episode ended by itself: its pages are no longer owed, and whoever was paged is told."""
        self.effects.cancelled.extend(episode.pending)
        self.effects.events.append(closed_event(self.watch, episode, reason, self.now, self.site))
        if episode.told and (reason == "retracted" or episode.highest in ENDING_IS_TOLD):
            self.tidings.end(episode, reason, finding)

    def _note_grades(self, assessment: Assessment) -> None:
        standing = dict(self.watch.standing)
        for system, result in assessment.grades().items():
            value = shown_value(result)
            if standing.get(system) != value:
                event = grade_event(self.watch.patient, system, result, standing.get(system), assessment, self.site)
                self.effects.events.append(event)
                standing[system] = value
        self.watch = replace(self.watch, standing=standing)

    def retract(self) -> None:
        """After a correction: close every episode that has no ground any more, and say so."""
        for condition, episode in list(self.watch.episodes.items()):
            if episode.opened_at > (self.watch.at or self.now):
                continue
            ground = [self._level_at(condition, at) for at in {episode.opened_at, episode.raised_at, self.watch.at}]
            if all(level == 0 for level in ground):
                self._keep(condition, Followed(None, self.watch.past.get(condition)))
                self._end(episode, "retracted", None)

    def _level_at(self, condition: str, at: datetime | None) -> int:
        if at is None:
            return 0
        assessment = assess(self.watch.chart, at, self.site)
        found = findings(self.watch.seen, assessment, self.watch.chart, self.site)
        return next((finding.level for finding in found if finding.condition == condition), 0)

    # -- 3. people and receipts -------------------------------------------------------------------

    def take(self, message: AnyMessage) -> None:
        """A message that changes episodes rather than the chart."""
        if isinstance(message, Receipt):
            self._receipt(message)
        elif isinstance(message, Fault):
            self.watch = note_fault(self.watch, message, self.now)
        elif isinstance(message, Discharge):
            self._discharge(message)
        elif isinstance(message, Acknowledgement | Silence | Closure):
            self._person(message)

    def _person(self, message: Acknowledgement | Silence | Closure) -> None:
        episode = next((e for e in self.watch.episodes.values() if e.id == message.episode), None)
        if episode is None:
            known = any(
                episodes.episode_id(self.watch.patient, condition, past.number) == message.episode
                for condition, past in self.watch.past.items()
            )
            if not known:
                why = "episode: no such episode of this patient; see `cartwatch board`"
                self.effects.set_aside.append(sets_aside(message, why, self.now))
            return
        if isinstance(message, Acknowledgement):
            self._acknowledge(episode, message)
        elif isinstance(message, Silence):
            self._keep(episode.condition, Followed(episodes.silence(episode, message.until), self._past(episode)))
        else:
            self.effects.cancelled.extend(episode.pending)
            self._keep(episode.condition, episodes.closed(episode, self.now, None, accepted=episode.level))
            self.effects.events.append(
                closed_event(self.watch, episode, "resolved", self.now, self.site, by=message.by)
            )

    def _past(self, episode: episodes.Episode) -> episodes.Past | None:
        return self.watch.past.get(episode.condition)

    def _acknowledge(self, episode: episodes.Episode, message: Acknowledgement) -> None:
        """Take the episode and whatever was told on the same page; an answer to an earlier page takes nothing."""
        at = message.effective.astimezone(UTC)
        for other in list(self.watch.episodes.values()):
            same_page = other.id == episode.id or (other.bundle and other.bundle == episode.bundle)
            if not same_page or at < other.ladder_from or not other.told:
                continue
            if other.acknowledged_at is not None:
                continue
            self.effects.cancelled.extend(other.pending)
            taken = episodes.acknowledge(other, message.by, at)
            self._keep(other.condition, Followed(taken, self._past(other)))
            self.effects.events.append(acknowledged_event(self.watch, taken, self.now, self.site))

    def _receipt(self, receipt: Receipt) -> None:
        for episode in list(self.watch.episodes.values()):
            if receipt.page not in episode.pending:
                continue
            pending = tuple(page for page in episode.pending if page != receipt.page)
            settled = replace(episode, pending=pending)
            if receipt.outcome == "undeliverable":
                settled = escalation.hand_over(settled, self.now, self.site.on_call)
            self._keep(episode.condition, Followed(settled, self._past(episode)))
        if receipt.outcome == "undeliverable" and self.watch.patient != SITE_SUBJECT:
            self.effects.faults.append(undeliverable_fault(receipt, self.now))

    def _discharge(self, message: Discharge) -> None:
        for episode in list(self.watch.episodes.values()):
            self.effects.cancelled.extend(episode.pending)
            self._keep(episode.condition, episodes.closed(episode, self.now, None))
            self.effects.events.append(
                closed_event(self.watch, episode, "resolved", self.now, self.site, by="discharge")
            )
        self.watch = replace(self.watch, discharged_at=message.effective.astimezone(UTC))

    # -- 4. telling -------------------------------------------------------------------------------

    def tell(self) -> None:
        """Ask every ladder who is due now, and write the pages."""
        self.watch = close_quiet(self.watch, self.now)
        dues = []
        for condition, episode in list(self.watch.episodes.items()):
            due = escalation.due(episode, self.now, self.site.on_call)
            if due is not None:
                self._keep(condition, Followed(due.episode, self._past(episode)))
                dues.append(due)
        if not dues and not self.tidings.ended:
            return
        assessment = self.latest
        if assessment is None and self.watch.registered and self.watch.patient != SITE_SUBJECT:
            at = max(self.now, self.watch.at or self.now)
            assessment = assess(self.watch.chart, at, self.site, self.watch.course)
            for finding in findings(self.watch.seen, assessment, self.watch.chart, self.site):
                episode_now = self.watch.episodes.get(finding.condition)
                if episode_now is not None:
                    self.tidings.know(episode_now.id, finding)
        written = telling.write(self.watch, dues, self.tidings, assessment, self.now, self.site)
        self.watch = written.watch
        self.effects.pages.extend(written.pages)
        self.effects.events.extend(written.events)


def step(watch: Watch, messages: Sequence[AnyMessage], now: datetime, site: Site) -> tuple[Watch, Effects]:
    """One patient's messages, and whatever is due at `now`, taken to the next state and what is to be done.

    Pure: the same arguments give the same answer. `watch` is not changed.
    """
    run = _Step(watch, now, site)
    moments, corrected, rest = run.fold(messages)
    if corrected and run.watch.at is not None:
        moments = sorted({*moments, run.watch.at})
    order: list[tuple[datetime, int, datetime | AnyMessage]] = [(moment, 0, moment) for moment in moments]
    order += [(message.effective.astimezone(UTC), 1, message) for message in rest]
    for _, _, item in sorted(order, key=lambda entry: entry[:2]):
        if isinstance(item, datetime):
            run.assess(item)
        else:
            run.take(item)
    if corrected:
        run.retract()
    run.tell()
    return run.watch, run.effects

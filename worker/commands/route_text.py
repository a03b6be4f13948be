"""The people who would be notified, and when, as text for a terminal."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from alerts.episodes import escalation
from alerts.episodes.delivery_log import Plan
from alerts.episodes.episode import Episode
from alerts.episodes.escalation import Recipient
from alerts.episodes.preview import Handover, PreviewStep, handovers, preview_steps
from alerts.episodes.silences import Silenced, hiding
from config.site import Site


class Route(NamedTuple):
    """An episode at a moment, with the silences of its patient and the current configuration."""

    episode: Episode
    silences: tuple[Silenced, ...]
    now: datetime
    site: Site

    def lines(self) -> Iterator[str]:
        """One line for each notified person, for each change of shift on the way, and for the end of the ladder."""
        found = list(preview_steps(self.episode, self.silences, self.now, self.site))
        today = self._day(self.now)
        yield f"{self.episode.urgency}, from {today} {self._hour(self.now)} ({self.site.on_call.time_zone})"
        yield from self._standing()
        until = found[-1].at if found else self.now
        steps: list[PreviewStep | Handover] = [*found, *handovers(self.episode, self.now, until, self.site)]
        for step in sorted(steps, key=lambda step: (step.at, isinstance(step, PreviewStep))):
            if self._day(step.at) != today:
                today = self._day(step.at)
                yield today
            yield from self._step(step) if isinstance(step, PreviewStep) else [self._handover(step)]
        yield from self._end(found)

    def notifications(self) -> Iterator[dict[str, Any]]:
        """One value for each person who will be notified: when, why, on which channels in order, and the gaps."""
        for step in preview_steps(self.episode, self.silences, self.now, self.site):
            for notification in step.notifications:
                for recipient in notification.recipients:
                    yield {
                        "at": step.at,
                        "reason": notification.reason,
                        "person": recipient.person,
                        "channels": self._channels(recipient),
                        "roles_nobody_holds": step.gaps,
                    }

    def _channels(self, recipient: Recipient) -> tuple[str, ...]:
        """The channels of a person, from the one they are notified on."""
        channels = self.site.on_call.people[recipient.person].channels
        return channels[channels.index(recipient.channel) :] if recipient.channel else channels

    def _standing(self) -> Iterator[str]:
        """The state so far: the notified people and their channels, the holder, the silences."""
        for page in self.episode.deliveries:
            yield f"  {self._hour(page.at)}  {page.reason:<12} {self._name(page.to)} on {page.channel}: {page.state}"
        if self.episode.acknowledged_by:
            yield f"  {self._name(self.episode.acknowledged_by)} has it {self._until(self.episode.due_at)}"
        silence = hiding(self.silences, self.episode, self.now)
        if silence is not None:
            yield f"  silenced by {self._name(silence.by)} until {self._moment(silence.until)}: {silence.why}"

    def _step(self, step: PreviewStep) -> Iterator[str]:
        minute = (step.at - self.now) // timedelta(minutes=1)
        for notification in step.notifications:
            for recipient in notification.recipients:
                wait = f"+{minute} min"
                yield f"  {self._hour(step.at)}  {wait:<9} {notification.reason:<12} {self._recipient(recipient)}"
        for role in step.gaps:
            yield f"  {'':16} nobody holds {role} then: see `cartwatch check`"

    def _recipient(self, recipient: Recipient) -> str:
        on_call = self.site.on_call
        person = on_call.people[recipient.person]
        ways = ", then ".join(f"{name} ({on_call.channels[name].detail})" for name in self._channels(recipient))
        last = " [last resort]" if recipient.person in on_call.last_resort else ""
        return f"{self._name(recipient.person)}{last}: {ways}, in {person.language}"

    def _handover(self, handover: Handover) -> str:
        before, after = (", ".join(map(self._name, people)) or "nobody" for people in (handover.before, handover.after))
        return f"  {self._hour(handover.at)}  {handover.role} changes hands: {before} -> {after}"

    def _end(self, found: list[PreviewStep]) -> Iterator[str]:
        planned = self._plan()
        if not found:
            yield "  nobody is notified any more"
        elif planned.repeat_every is None:
            yield "  then nobody any more"
        else:
            every = _words(planned.repeat_every)
            yield f"  and so on every {every}, until somebody acknowledges or the condition is gone"
        if planned.ack_timeout is None:
            yield "Whoever acknowledges has it until it worsens."
        elif not self.episode.acknowledged_by and found:
            first = found[0].at
            longer = ""
            if planned.ack_timeout_max > planned.ack_timeout:
                longer = f" Each yes lasts twelve times as long, up to {_words(planned.ack_timeout_max)}."
            yield (
                f"Whoever acknowledges has it for {_words(planned.ack_timeout)}"
                f" (acknowledged at {self._hour(first)}: until {self._moment(first + planned.ack_timeout)}),"
                f" is then asked, and has {_words(planned.confirm_within)} before the ladder starts again.{longer}"
            )

    def _plan(self) -> Plan:
        planned = self.episode.plan
        return planned if planned is not None else escalation.plan(self.site, self.episode.urgency, self.now)

    def _until(self, at: datetime | None) -> str:
        return "until it worsens" if at is None else f"until {self._moment(at)}"

    def _moment(self, at: datetime) -> str:
        same = self._day(at) == self._day(self.now)
        return self._hour(at) if same else f"{self._day(at)} {self._hour(at)}"

    def _day(self, at: datetime) -> str:
        return at.astimezone(self.site.zone).strftime("%a %d %b %Y")

    def _hour(self, at: datetime) -> str:
        return at.astimezone(self.site.zone).strftime("%H:%M")

    def _name(self, person: str) -> str:
        known = self.site.on_call.people.get(person)
        return f"{known.name} ({person})" if known is not None else person


def _words(wait: timedelta) -> str:
    minutes, seconds = divmod(int(wait.total_seconds()), 60)
    if minutes >= 120 and not minutes % 60 and not seconds:
        return f"{minutes // 60} h"
    return f"{minutes} min {seconds} s" if minutes and seconds else f"{minutes} min" if minutes else f"{seconds} s"

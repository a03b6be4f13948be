"""The ladder: who is notified at which minute, and what a failed delivery changes."""

from datetime import datetime, timedelta
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from alerts.episodes.episode import Episode
from alerts.episodes.escalation import due, due_in_time, due_unless_silenced, escalate_now, reassign
from alerts.episodes.lifecycle import acknowledge, apply_finding
from alerts.rules.finding import Finding
from alerts.wording.phrase import Phrase
from config.rota import always
from config.site import Site, Step, Urgency
from tests.support.charts import NOW, SITE, hours

ON_CALL, SECOND, CONSULTANT = "haematologist-1", "haematologist-2", "consultant-1"


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def opened(urgency: Urgency = "critical") -> Episode:
    said = Finding(condition="crs", level=3, urgency=urgency, title=Phrase("CRS grade 3"))
    episode = apply_finding("P1", None, None, said, NOW, NOW, hours(6)).episode
    assert episode is not None
    return episode


class LadderStep(NamedTuple):
    """One notification: minutes since NOW, who, and the episode afterwards."""

    minute: int
    people: tuple[str, ...]
    episode: Episode


def ladder_steps(episode: Episode, until: datetime, site: Site = SITE) -> list[LadderStep]:
    """Every notification up to a time, looked at exactly when it falls due."""
    found: list[LadderStep] = []
    while episode.next_at is not None and episode.next_at <= until:
        at = episode.next_at
        notifications = due(episode, at, site)
        assert notifications is not None
        episode = notifications.episode
        assert episode.next_at is None or episode.next_at > at, "the ladder stands still"
        found.append(LadderStep((at - NOW) // minutes(1), notifications.people, episode))
    return found


def climbed(episode: Episode, until: datetime, site: Site = SITE) -> list[tuple[int, tuple[str, ...]]]:
    """The minutes since NOW at which somebody is notified, and who."""
    return [(step.minute, step.people) for step in ladder_steps(episode, until, site)]


@pytest.mark.parametrize(
    ("urgency", "until", "expected"),
    [
        (
            "critical",
            46,
            [
                (0, (ON_CALL,)),
                (5, (ON_CALL,)),
                (10, (SECOND,)),
                (15, (CONSULTANT,)),
                (30, (ON_CALL, SECOND, CONSULTANT)),
                (45, (ON_CALL, SECOND, CONSULTANT)),
            ],
        ),
        (
            "high",
            85,
            [(0, (ON_CALL,)), (10, (ON_CALL,)), (20, (SECOND,)), (50, (ON_CALL, SECOND)), (80, (ON_CALL, SECOND))],
        ),
        ("medium", 149, [(0, (ON_CALL,)), (30, (ON_CALL,))]),
        ("low", 10_000, [(0, ("worklist",))]),
        ("technical", 40, [(minute, ("technician-1",)) for minute in (0, 5, 35)]),
    ],
)
def test_each_ladder_of_the_shipped_policy(
    urgency: Urgency, until: int, expected: list[tuple[int, tuple[str, ...]]]
) -> None:
    assert climbed(opened(urgency), NOW + minutes(until)) == expected


def test_nobody_is_due_before_the_time() -> None:
    notifications = due(opened(), NOW, SITE)
    assert notifications is not None
    assert due(notifications.episode, NOW + minutes(4.9), SITE) is None


def test_a_ladder_is_in_time_at_each_of_its_steps_and_when_it_is_answered() -> None:
    for step in ladder_steps(opened(), NOW + minutes(46)):
        at = NOW + minutes(step.minute)
        answered = acknowledge(step.episode, ON_CALL, at + minutes(4.9))
        handed = reassign(step.episode, at, SITE, by=ON_CALL, to=SECOND)
        asked = due(answered, at + hours(5), SITE)
        assert asked is not None
        for episode, now in ((step.episode, at), (answered, at), (handed, at), (asked.episode, at + hours(5))):
            assert due_in_time(episode, now, SITE) == episode


@pytest.mark.parametrize("back", [minutes(21), hours(24)])
def test_a_ladder_goes_on_at_once_when_the_clock_was_set_back(back: timedelta) -> None:
    for step in ladder_steps(opened(), NOW + minutes(46)):
        now = NOW + minutes(step.minute) - back
        notifications = due_unless_silenced(step.episode, (), now, SITE)
        assert notifications.people
        assert notifications.episode.next_at is not None
        assert now < notifications.episode.next_at <= now + minutes(15)
        assert climbed(notifications.episode, now + minutes(16))


def test_whoever_has_it_is_asked_when_the_clock_was_set_back() -> None:
    first = due(opened(), NOW, SITE)
    assert first is not None
    taken = acknowledge(first.episode, ON_CALL, NOW)
    asked = due_unless_silenced(taken, (), NOW - hours(24), SITE)
    assert [notifications.reason for notifications in asked.notifications] == ["still_on_it"]
    assert due_unless_silenced(taken, (), NOW - minutes(5), SITE).notifications == ()


def test_nobody_is_due_where_no_next_time_stands() -> None:
    assert due(replace(opened(), next_at=None), NOW + hours(5), SITE) is None


def test_the_first_notification_has_the_reason_of_the_episode_and_the_later_ones_repeat() -> None:
    first = due(opened(), NOW, SITE)
    assert first is not None
    second = due(first.episode, NOW + minutes(5), SITE)
    assert second is not None
    assert (first.notifications[0].reason, second.notifications[0].reason) == ("new", "repeat")


def test_missed_steps_are_one_notification_to_everybody_they_name() -> None:
    notifications = due(opened(), NOW + minutes(60), SITE)
    assert notifications is not None
    assert notifications.people == (ON_CALL, SECOND, CONSULTANT)
    assert notifications.notifications[0].reason == "new"
    assert notifications.episode.next_at == NOW + minutes(75)


def test_whoever_was_notified_is_remembered_once() -> None:
    first = due(opened(), NOW, SITE)
    assert first is not None
    second = due(first.episode, NOW + minutes(12), SITE)
    assert second is not None
    assert second.episode.notified == (ON_CALL, SECOND)


def test_a_person_with_several_roles_is_notified_once_and_each_holder_of_a_role_is_notified() -> None:
    roles = {**SITE.on_call.roles, "on_call": always(ON_CALL, SECOND), "technician": always(ON_CALL)}
    ladder = SITE.on_call.ladders["high"].model_copy(
        update={"steps": (Step(after=minutes(0), notify=("on_call", "technician")),)}
    )
    ladders = {**SITE.on_call.ladders, "high": ladder}
    on_call = SITE.on_call.model_copy(update={"roles": roles, "ladders": ladders})
    notifications = due(opened("high"), NOW, SITE._replace(on_call=on_call))
    assert notifications is not None
    assert notifications.people == (ON_CALL, SECOND)


def test_a_ladder_without_repeats_ends_with_its_last_step() -> None:
    ladder = SITE.on_call.ladders["high"].model_copy(update={"repeat_every": None})
    on_call = SITE.on_call.model_copy(update={"ladders": {**SITE.on_call.ladders, "high": ladder}})
    assert climbed(opened("high"), NOW + hours(9), SITE._replace(on_call=on_call))[-1] == (20, (SECOND,))


def test_a_ladder_that_begins_later_is_not_due_at_once() -> None:
    ladder = SITE.on_call.ladders["high"].model_copy(
        update={"steps": (Step(after=minutes(3), notify=("consultant",)),)}
    )
    on_call = SITE.on_call.model_copy(update={"ladders": {**SITE.on_call.ladders, "high": ladder}})
    notified = [who for _, who in climbed(opened("high"), NOW + minutes(4), SITE._replace(on_call=on_call)) if who]
    assert notified == [(CONSULTANT,)]


# -- a page that cannot be delivered ---------------------------------------------------------------


def after(number: float) -> Episode:
    """A critical episode that was notified on time up to a minute."""
    return ladder_steps(opened(), NOW + minutes(number))[-1].episode


def test_a_hand_over_makes_the_next_step_due_now() -> None:
    at = NOW + minutes(6)
    notifications = due(escalate_now(after(6), at, SITE, without=ON_CALL), at, SITE)
    assert notifications is not None
    assert notifications.people == (SECOND,)
    assert notifications.episode.next_at == at + minutes(5)


def test_two_failures_at_once_hand_over_once() -> None:
    at = NOW + minutes(6)
    once = escalate_now(after(6), at, SITE, without=ON_CALL)
    assert escalate_now(once, at, SITE, without=ON_CALL) == once


def test_a_late_failure_never_slows_the_ladder_down() -> None:
    at = NOW + minutes(9.5)
    handed = escalate_now(after(9.5), at, SITE, without=ON_CALL)
    assert handed.ladder_from <= NOW
    assert handed.next_at == at


@pytest.mark.parametrize(
    "episode",
    [
        replace(after(6), next_at=None),
        after(16),
        replace(after(6), silenced_until=NOW + hours(2), next_at=NOW + hours(2)),
    ],
    ids=["acknowledged", "at the top", "silenced"],
)
def test_a_failure_changes_nothing_where_no_step_is_left_or_wanted(episode: Episode) -> None:
    assert escalate_now(episode, NOW + minutes(16), SITE, without=ON_CALL) == episode

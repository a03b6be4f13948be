"""The life of an episode: opened, raised, lowered, over, closed by a person."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from alerts.episodes import escalation, lifecycle
from alerts.episodes.delivery_log import Delivery
from alerts.episodes.episode import Episode, EpisodeResult, Past, episode_id
from alerts.episodes.escalation import due
from alerts.episodes.lifecycle import apply_finding, news_of_the_past
from alerts.grading.result import Evidence
from alerts.rules.finding import Finding
from alerts.wording.phrase import Phrase
from tests.support.charts import NOW, SITE, hours, reading
from tests.support.wording import english

APART = hours(6)
LATER = timedelta(seconds=20)
"""How long after a reading it becomes known here."""


def finding(level: int, urgency: str = "medium", *, measured: datetime | None = None, **more: Any) -> Finding:
    evidence = (Evidence(*reading("ice", 5, measured)),) if measured else ()
    return Finding(
        condition="icans", level=level, urgency=urgency, title=Phrase(f"grade {level}"), evidence=evidence, **more
    )  # type: ignore[arg-type]


def carried(episode: Episode | None, said: Finding, at: datetime = NOW, past: Past | None = None) -> EpisodeResult:
    return apply_finding("P1", episode, past, said, at, at + LATER, APART)


def opened(level: int = 2, urgency: str = "high", **more: Any) -> Episode:
    episode = carried(None, finding(level, urgency, **more)).episode
    assert episode is not None
    return episode


def notified(episode: Episode) -> Episode:
    """An episode after its first page."""
    notifications = due(episode, NOW + LATER, SITE)
    assert notifications is not None
    return replace(notifications.episode, pages=1)


def delivery(page: str) -> Delivery:
    """A page to the haematologist on call that nothing is known of yet."""
    return Delivery(page, "haematologist-1", "phone-1", "new", NOW, 1)


def taken(episode: Episode) -> Episode:
    return lifecycle.acknowledge(notified(episode), "haematologist-1", NOW + hours(0.1))


def test_a_worsening_forgets_by_whom_it_was_handed_over() -> None:
    passed = escalation.reassign(notified(opened()), NOW + hours(0.2), SITE, by="haematologist-1", to=None)
    assert passed.handed_over_by == "haematologist-1"
    worse = carried(passed, finding(3, "high"), NOW + hours(1)).episode
    assert worse is not None
    assert worse.handed_over_by == ""


# -- opening ---------------------------------------------------------------------------------------


def test_a_first_finding_opens_an_episode_that_is_due_at_once() -> None:
    followed = carried(None, finding(2, "high"))
    episode = followed.episode
    assert episode is not None
    assert (followed.reason, episode.reason, episode.number) == ("new", "new", 1)
    assert (episode.level, episode.urgency, episode.was) == (2, "high", None)
    assert (episode.opened_at, episode.raised_at) == (NOW, NOW)
    assert (episode.ladder_from, episode.next_at) == (NOW + LATER, NOW + LATER)


def test_a_clear_finding_opens_nothing() -> None:
    assert carried(None, finding(0)) == EpisodeResult(None, None)


def test_after_an_earlier_episode_it_is_recurrent_and_of_the_next_number() -> None:
    past = Past(3, NOW - hours(90), NOW - hours(40), 2)
    followed = carried(None, finding(1), past=past)
    assert followed.episode is not None
    assert (followed.reason, followed.episode.number) == ("recurrent", 4)


def test_the_id_of_an_episode_shows_nothing_of_the_patient_and_is_the_same_each_time() -> None:
    identity = episode_id("Zimmermann", "crs", 1)
    assert identity == episode_id("Zimmermann", "crs", 1)
    assert "Zimmermann" not in identity
    others = {episode_id("Zimmermann", "crs", 2), episode_id("Zimmermann", "icans", 1), episode_id("Z", "crs", 1)}
    assert identity not in others
    assert len(others) == 3


# -- worse -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        finding(3, "critical"),
        finding(2, "critical"),
        finding(2, "high", members=("platelets", "neutrophils")),
        finding(2, "high", events=(Phrase("ICE fell by 2"),)),
    ],
    ids=["level", "urgency", "member", "event"],
)
def test_more_than_was_known_pages_again_though_acknowledged(said: Finding) -> None:
    episode = taken(opened(members=("platelets",)))
    followed = carried(episode, said, NOW + hours(1))
    raised = followed.episode
    assert raised is not None
    assert (followed.reason, raised.reason, raised.was) == ("worse", "worse", 2)
    assert (raised.acknowledged_by, raised.acknowledged_at) == ("", None)
    assert (raised.steps_taken, raised.next_at) == (0, NOW + hours(1) + LATER)
    assert (raised.opened_at, raised.raised_at) == (NOW, NOW + hours(1))
    assert raised.id == episode.id


@pytest.mark.parametrize("said", [finding(2, "high"), finding(2, "medium"), finding(2, "high", members=())])
def test_the_same_again_pages_nobody(said: Finding) -> None:
    episode = taken(opened(members=("platelets",)))
    followed = carried(episode, said, NOW + hours(1))
    assert followed.reason is None
    assert followed.episode is not None
    assert followed.episode.next_at is None
    assert followed.episode.acknowledged_by == "haematologist-1"


def test_what_worsens_before_anybody_was_notified_is_paged_as_new() -> None:
    followed = carried(opened(), finding(3, "critical"), NOW + hours(1))
    assert followed.episode is not None
    assert (followed.episode.reason, followed.episode.was, followed.episode.level) == ("new", None, 3)


def test_an_event_in_what_is_clear_pages_nobody() -> None:
    followed = carried(opened(), finding(0, events=(Phrase("ICE fell by 1"),)), NOW + hours(1))
    assert followed.reason is None


def test_a_raised_episode_never_loses_urgency_or_members() -> None:
    episode = opened(1, "critical", members=("platelets",))
    raised = carried(episode, finding(2, "high", members=("neutrophils",)), NOW + hours(1)).episode
    assert raised is not None
    assert (raised.level, raised.urgency) == (2, "critical")
    assert set(raised.members) == {"platelets", "neutrophils"}


def test_worsening_forgets_that_it_was_getting_better() -> None:
    lower = carried(opened(), finding(1, measured=NOW + hours(1)), NOW + hours(1)).episode
    raised = carried(lower, finding(3, "critical"), NOW + hours(2)).episode
    assert raised is not None
    assert raised.lower_since is None


def test_the_same_level_brings_the_title_up_to_date() -> None:
    episode = carried(opened(), replace(finding(2, "high"), title=Phrase("grade 2, ICE 5/10")), NOW + hours(1)).episode
    assert episode is not None
    assert episode.title == Phrase("grade 2, ICE 5/10")


def test_worsening_ends_a_silence() -> None:
    episode = replace(opened(), silenced_until=NOW + hours(9), next_at=NOW + hours(9))
    raised = carried(episode, finding(3, "critical"), NOW + hours(1)).episode
    assert raised is not None
    assert (raised.silenced_until, raised.next_at) == (None, NOW + hours(1) + LATER)


# -- lower -----------------------------------------------------------------------------------------


def test_a_lower_level_is_believed_at_the_second_measurement_6_hours_later() -> None:
    first = carried(opened(), finding(1, measured=NOW + hours(1)), NOW + hours(1)).episode
    assert first is not None
    assert (first.level, first.lower_since) == (2, NOW + hours(1))
    early = carried(first, finding(1, measured=NOW + hours(6.9)), NOW + hours(6.9)).episode
    assert early is not None
    assert early.level == 2
    followed = carried(early, finding(1, measured=NOW + hours(7)), NOW + hours(7))
    assert followed.reason == "better"
    assert followed.episode is not None
    assert (followed.episode.level, followed.episode.was, followed.episode.urgency) == (1, 2, "medium")
    assert (english(followed.episode.title), followed.episode.lower_since) == ("grade 1", None)


def test_the_same_measurement_hours_later_is_not_a_second_one() -> None:
    first = carried(opened(), finding(0, measured=NOW + hours(1)), NOW + hours(1)).episode
    followed = carried(first, finding(0, measured=NOW + hours(1)), NOW + hours(20))
    assert followed.episode is not None
    assert followed.reason is None


def test_a_return_to_the_level_starts_the_wait_again() -> None:
    first = carried(opened(), finding(1, measured=NOW + hours(1)), NOW + hours(1)).episode
    back = carried(first, finding(2, "high", measured=NOW + hours(3)), NOW + hours(3)).episode
    assert back is not None
    assert back.lower_since is None


def test_two_clear_measurements_6_hours_apart_close_it() -> None:
    first = carried(opened(), finding(0, measured=NOW + hours(1)), NOW + hours(1)).episode
    followed = carried(first, finding(0, measured=NOW + hours(7)), NOW + hours(7))
    assert (followed.episode, followed.reason) == (None, "resolved")
    assert followed.past is not None
    assert (followed.past.number, followed.past.peak, followed.past.closed_at) == (1, 2, NOW + hours(7))


def test_a_lower_level_pages_nobody_and_keeps_the_acknowledgement() -> None:
    episode = taken(opened())
    first = carried(episode, finding(1, measured=NOW + hours(1)), NOW + hours(1)).episode
    lowered = carried(first, finding(1, measured=NOW + hours(8)), NOW + hours(8)).episode
    assert lowered is not None
    assert (lowered.next_at, lowered.acknowledged_by) == (None, "haematologist-1")


def test_a_condition_that_knows_its_own_end_closes_at_once() -> None:
    followed = carried(opened(), finding(0, over=True), NOW + hours(1))
    assert (followed.episode, followed.reason) == (None, "resolved")


def test_a_condition_that_knows_it_goes_on_stays_open_however_long_it_is_clear() -> None:
    first = carried(opened(), finding(0, over=False, measured=NOW + hours(1)), NOW + hours(1)).episode
    followed = carried(first, finding(0, over=False, measured=NOW + hours(30)), NOW + hours(30))
    assert followed.episode is not None


def test_a_condition_that_knows_it_goes_on_is_lowered_all_the_same() -> None:
    first = carried(opened(), finding(1, over=False, measured=NOW + hours(1)), NOW + hours(1)).episode
    lowered = carried(first, finding(1, over=False, measured=NOW + hours(8)), NOW + hours(8)).episode
    assert lowered is not None
    assert lowered.level == 1


# -- closed by a person ----------------------------------------------------------------------------


def closed_by_a_person() -> Past:
    past = lifecycle.closed(opened(members=("platelets",)), NOW + hours(1), None, by_person=True).past
    assert past is not None
    return past


@pytest.mark.parametrize("said", [finding(2, "high"), finding(1), finding(2, "high", members=("platelets",))])
def test_what_a_person_closed_does_not_reopen_at_what_was_accepted(said: Finding) -> None:
    assert carried(None, said, NOW + hours(2), closed_by_a_person()).episode is None


@pytest.mark.parametrize(
    "said",
    [
        finding(3, "critical"),
        finding(2, "critical"),
        finding(2, "high", members=("neutrophils",)),
        finding(2, "high", events=(Phrase("seizure"),)),
    ],
    ids=["level", "urgency", "member", "event"],
)
def test_what_a_person_closed_reopens_for_more_than_was_accepted(said: Finding) -> None:
    followed = carried(None, said, NOW + hours(2), closed_by_a_person())
    assert followed.episode is not None
    assert (followed.reason, followed.episode.number) == ("recurrent", 2)


def test_once_clear_what_a_person_closed_reopens_like_any_other() -> None:
    past = carried(None, finding(0), NOW + hours(2), closed_by_a_person()).past
    assert carried(None, finding(1), NOW + hours(3), past).reason == "recurrent"


def test_an_episode_closed_by_itself_accepts_nothing() -> None:
    past = lifecycle.closed(opened(), NOW + hours(1), "resolved").past
    assert carried(None, finding(1), NOW + hours(2), past).reason == "recurrent"


def test_after_a_retraction_the_next_is_new_and_of_another_number() -> None:
    episode = opened()
    past = lifecycle.closed(episode, NOW + hours(1), "retracted").past
    followed = carried(None, finding(1), NOW + hours(2), past)
    assert followed.reason == "new"
    assert followed.episode is not None
    assert followed.episode.id != episode.id


# -- corrected -------------------------------------------------------------------------------------


def raised_in_error() -> tuple[Episode, Episode]:
    """An acknowledged grade 1, and the same raised to 3, notified on two pages and silenced."""
    first = replace(taken(opened(1, "medium")), pages=1)
    worse = carried(first, finding(3, "critical"), NOW + hours(1)).episode
    assert worse is not None
    notifications = due(worse, NOW + hours(1.5), SITE)
    assert notifications is not None
    return first, replace(notifications.episode, pages=3, deliveries=(delivery("e.3"),))


def test_a_worsening_retracted_leaves_the_episode_as_it_stood_before() -> None:
    first, worse = raised_in_error()
    back = lifecycle.fall_back_to(worse, finding(1))
    assert (back.level, back.urgency, back.title) == (1, "medium", first.title)
    assert (back.acknowledged_by, back.next_at) == ("haematologist-1", None)
    assert (back.opened_at, back.raised_at, back.ladder_from) == (first.opened_at, first.raised_at, first.ladder_from)


def test_who_was_notified_and_how_often_is_not_undone() -> None:
    _, worse = raised_in_error()
    back = lifecycle.fall_back_to(worse, finding(1))
    assert (back.notified, back.pages, back.pending, back.highest) == (worse.notified, 3, ("e.3",), "critical")
    assert worse.notified != ("haematologist-1",)


def test_an_answer_from_before_the_worsening_does_not_take_what_was_retracted() -> None:
    _, worse = raised_in_error()
    assert lifecycle.fall_back_to(worse, finding(1)).worsening_known_at == worse.worsening_known_at


def test_a_level_that_never_stood_is_lowered_to_it() -> None:
    _, worse = raised_in_error()
    back = lifecycle.fall_back_to(worse, finding(2, "high"))
    assert (back.level, back.urgency, english(back.title)) == (2, "high", "grade 2")


# -- late ------------------------------------------------------------------------------------------


def test_a_clear_finding_of_the_past_is_no_news() -> None:
    assert not news_of_the_past(None, None, finding(0), NOW)


def test_a_finding_of_the_past_is_news_where_nothing_was_known() -> None:
    assert news_of_the_past(None, None, finding(1), NOW)


@pytest.mark.parametrize(("level", "news"), [(2, False), (3, True)])
def test_with_an_open_episode_only_a_higher_level_is_news(level: int, news: bool) -> None:
    assert news_of_the_past(opened(), None, finding(level), NOW - hours(2)) is news


@pytest.mark.parametrize(
    ("at", "level", "news"),
    [(NOW - hours(5), 2, False), (NOW - hours(5), 3, True), (NOW - hours(1), 1, True), (NOW - hours(11), 3, False)],
    ids=["notified then", "worse than notified", "after the end", "before the beginning"],
)
def test_after_an_episode_only_what_it_did_not_tell_is_news(at: datetime, level: int, news: bool) -> None:
    past = Past(1, NOW - hours(10), NOW - hours(2), 2)
    assert news_of_the_past(None, past, finding(level), at) is news


# -- answers ---------------------------------------------------------------------------------------


def test_an_acknowledgement_stops_the_ladder() -> None:
    waiting = replace(notified(opened()), deliveries=(delivery("e.1"),))
    episode = lifecycle.acknowledge(waiting, "haematologist-1", NOW + hours(0.1))
    assert (episode.acknowledged_by, episode.acknowledged_at) == ("haematologist-1", NOW + hours(0.1))
    assert (episode.next_at, episode.pending) == (None, ())


def test_an_acknowledgement_calls_off_what_was_not_sent_and_marks_what_was() -> None:
    sent = replace(delivery("e.1"), state="sent")
    waiting = replace(notified(opened()), deliveries=(sent, delivery("e.2")))
    episode = lifecycle.acknowledge(waiting, "haematologist-1", NOW + hours(0.1))
    assert [item.state for item in episode.deliveries] == ["acknowledged", "cancelled"]


def asked(ack_renewals: int = 0) -> Episode:
    """An episode whose holder has just been asked whether they are still on it."""
    still = replace(delivery("e.2"), reason="still_on_it", state="sent", at=NOW + LATER)
    plan = escalation.plan(SITE, "critical", NOW)
    return replace(notified(opened()), plan=plan, ack_renewals=ack_renewals, deliveries=(delivery("e.1"), still))


@pytest.mark.parametrize(("ack_renewals", "lasts"), [(0, 24), (1, 24), (30, 24)])
def test_each_yes_lasts_longer_up_to_the_most(ack_renewals: int, lasts: int) -> None:
    episode = lifecycle.acknowledge(asked(ack_renewals), "haematologist-1", NOW)
    assert episode.next_at == NOW + hours(lasts)
    assert episode.ack_renewals == ack_renewals + 1


def test_somebody_else_who_takes_it_begins_with_the_first_time_again() -> None:
    episode = lifecycle.acknowledge(asked(2), "haematologist-2", NOW)
    assert (episode.next_at, episode.ack_renewals) == (NOW + hours(4), 0)


# -- the level now ---------------------------------------------------------------------------------


def test_the_level_now_follows_the_newest_assessment_while_the_episode_keeps_its_own() -> None:
    lower = carried(opened(3), finding(1, measured=NOW + hours(1)), NOW + hours(1)).episode
    assert lower is not None
    assert (lower.level, lower.level_now, lower.level_now_since) == (3, 1, NOW + hours(1))
    same = carried(lower, finding(1, measured=NOW + hours(2)), NOW + hours(2)).episode
    assert same is not None
    assert same.level_now_since == NOW + hours(1)


def test_what_is_charted_late_does_not_change_the_level_now() -> None:
    lower = carried(opened(2), finding(0, measured=NOW + hours(2)), NOW + hours(2)).episode
    assert lower is not None
    late = carried(lower, finding(3, "critical"), NOW + hours(1)).episode
    assert late is not None
    assert (late.level, late.level_now) == (3, 0)


def test_a_level_that_cannot_be_determined_any_more_is_none() -> None:
    assert lifecycle.now_at(opened(3), None, NOW + hours(24)).level_now is None


@pytest.mark.parametrize("ack_renewals", [36, 10**9])
def test_however_often_it_is_renewed_an_acknowledgement_lasts_the_most_at_most(ack_renewals: int) -> None:
    episode = lifecycle.acknowledge(asked(ack_renewals), "haematologist-1", NOW)
    assert episode.next_at == NOW + hours(24)

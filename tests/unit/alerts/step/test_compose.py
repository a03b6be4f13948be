"""One page per person, however many episodes it speaks of; and what the episodes remember of it."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from alerts.assessment.assessment import assess
from alerts.episodes.delivery_log import Reason
from alerts.episodes.episode import Episode
from alerts.episodes.escalation import Notifications, due
from alerts.episodes.lifecycle import apply_finding
from alerts.pages.concern import PageConcern
from alerts.rules.finding import Finding
from alerts.state import PatientState
from alerts.step.compose import ComposedPages, StepNews, compose_pages
from alerts.wording.phrase import Phrase
from config.rota import always
from config.site import Site, Urgency
from tests.support.charts import NOW, SITE, chart, hours, reading

ON_CALL, SECOND, TECHNICIAN = "haematologist-1", "haematologist-2", "technician-1"
CHART = chart(reading("temperature", "38.5", NOW))
# Both of them are technicians here, so that a technical page goes to two people on two channels.
ROLES = {**SITE.on_call.roles, "technician": always(ON_CALL, TECHNICIAN)}
BOTH = SITE._replace(on_call=SITE.on_call.model_copy(update={"roles": ROLES}))


def finding(condition: str = "crs", urgency: Urgency = "high", **more: object) -> Finding:
    return Finding(condition=condition, level=2, urgency=urgency, title=Phrase(f"{condition} 2"), **more)  # type: ignore[arg-type]


def opened(condition: str = "crs", urgency: Urgency = "high") -> Episode:
    episode = apply_finding("P1", None, None, finding(condition, urgency), NOW, NOW, hours(6)).episode
    assert episode is not None
    return episode


def notifications(episode: Episode, after: timedelta = timedelta(0), site: Site = SITE) -> Notifications:
    found = due(episode, NOW + after, site)
    assert found is not None
    return found


def written(
    *dues: Notifications, news: StepNews | None = None, state: PatientState | None = None, site: Site = SITE
) -> ComposedPages:
    episodes = {item.episode.condition: item.episode for item in dues}
    state = state or PatientState(patient="P1", chart=CHART, registered=True, episodes=episodes)
    return compose_pages(state, list(dues), news or StepNews(), assess(CHART, NOW, SITE), NOW, site)


def test_one_due_episode_is_one_page_to_one_person() -> None:
    episode = opened()
    (page,) = written(notifications(episode)).pages
    assert (page.to, page.channel, page.at, page.patient) == (ON_CALL, "phone-1", NOW, "P1")
    assert (page.episode, page.episodes, page.condition) == (episode.id, (episode.id,), "crs")
    assert (page.urgency, page.reason, page.day) == ("high", "new", 5)
    assert page.id == f"{episode.id}.1"


def test_several_due_episodes_are_one_page_led_by_the_most_urgent() -> None:
    crs, icans = opened("crs", "high"), opened("icans", "critical")
    (page,) = written(notifications(crs), notifications(icans)).pages
    assert (page.episode, page.urgency) == (icans.id, "critical")
    assert set(page.episodes) == {crs.id, icans.id}
    assert "CRS 2" in page.title
    assert "ICANS 2" in page.title


def test_a_page_with_any_news_is_no_mere_repeat() -> None:
    first = due(opened("icans", "critical"), NOW, SITE)
    assert first is not None
    again = notifications(first.episode, timedelta(minutes=5))
    (page,) = written(again, notifications(opened("crs", "high"))).pages
    assert (page.condition, page.reason) == ("icans", "new")


def test_each_person_gets_a_page_of_their_own_id() -> None:
    pages = written(notifications(opened("intake lab", "technical"), site=BOTH)).pages
    assert [page.to for page in pages] == [ON_CALL, TECHNICIAN]
    assert len({page.id for page in pages}) == 2


def test_a_person_gets_only_what_is_due_to_that_person() -> None:
    crs = opened("crs", "high")
    critical = notifications(opened("icans", "critical"), timedelta(minutes=12))
    pages = {page.to: page for page in written(notifications(crs), critical).pages}
    assert set(pages) == {ON_CALL, SECOND}
    assert pages[SECOND].episodes == (critical.episode.id,)
    assert set(pages[ON_CALL].episodes) == {crs.id, critical.episode.id}


def test_the_detail_of_a_page_is_that_of_its_channel() -> None:
    on_call, technician = written(notifications(opened("intake lab", "technical"), site=BOTH)).pages
    assert "intake lab 2" in on_call.title
    assert "intake lab" not in technician.title + technician.text


def test_the_episodes_remember_the_pages_until_they_are_sent() -> None:
    first, second = written(notifications(opened("intake lab", "technical"), site=BOTH)).pages
    after = written(notifications(opened("intake lab", "technical"), site=BOTH)).state.episodes["intake lab"]
    assert (after.pages, after.pending) == (2, (first.id, second.id))


def test_the_next_page_of_an_episode_has_the_next_number() -> None:
    first = written(notifications(opened()))
    again = notifications(first.state.episodes["crs"], timedelta(minutes=10))
    (page,) = written(again, state=first.state.with_episode(again.episode)).pages
    assert page.id == f"{page.episode}.2"
    assert page.reason == "repeat"


def test_episodes_on_one_page_remember_the_same_page() -> None:
    state = written(notifications(opened("crs")), notifications(opened("icans", "critical"))).state
    (crs,), (icans,) = (state.episodes[condition].deliveries for condition in ("crs", "icans"))
    assert crs.page == icans.page


def test_a_newer_page_replaces_one_that_is_not_through_yet_on_the_same_channel() -> None:
    first = written(notifications(opened()))
    again = notifications(first.state.episodes["crs"], timedelta(minutes=10))
    second = written(again, state=first.state.with_episode(again.episode))
    assert second.cancelled == [first.pages[0].id]
    assert second.state.episodes["crs"].pending == (second.pages[0].id,)


def test_a_page_that_still_notifies_of_another_episode_is_not_replaced() -> None:
    crs, icans = notifications(opened("crs")), notifications(opened("icans", "critical"))
    first = written(crs, icans)
    again = notifications(first.state.episodes["crs"], timedelta(minutes=10))
    second = written(again, state=first.state.with_episode(again.episode))
    assert second.cancelled == []


def test_a_page_names_what_else_nobody_has_acknowledged_unless_that_is_more_urgent() -> None:
    crs, icans = notifications(opened("crs")), notifications(opened("icans", "critical"))
    state = written(crs, icans).state
    for due_now, named in (("icans", {"icans", "crs"}), ("crs", {"crs"})):
        again = notifications(state.episodes[due_now], timedelta(minutes=10))
        pages = written(again, state=state.with_episode(again.episode)).pages
        (page,) = [page for page in pages if page.to == ON_CALL]
        assert set(dict(page.levels)) == named


@pytest.mark.parametrize(
    "changed", [{"acknowledged_by": ON_CALL}, {"silenced_until": NOW + hours(1)}, {"level_now": 0}]
)
def test_a_page_does_not_name_what_is_acknowledged_silenced_or_clear(changed: dict[str, object]) -> None:
    crs, icans = notifications(opened("crs")), notifications(opened("icans", "critical"))
    state = written(crs, icans).state
    state = state.with_episode(replace(state.episodes["crs"], **changed))
    again = notifications(state.episodes["icans"], timedelta(minutes=5))
    (page,) = written(again, state=state.with_episode(again.episode)).pages
    assert set(dict(page.levels)) == {"icans"}


def test_a_page_is_written_in_the_language_of_whoever_gets_it() -> None:
    people = {**SITE.on_call.people, ON_CALL: SITE.on_call.people[ON_CALL].model_copy(update={"language": "it"})}
    site = SITE._replace(on_call=SITE.on_call.model_copy(update={"people": people}))
    (page,) = written(notifications(opened()), site=site).pages
    assert page.language == "it"


def test_every_page_stands_in_the_journal() -> None:
    done = written(notifications(opened("intake lab", "technical"), site=BOTH))
    assert [(event["kind"], event["page"]) for event in done.events] == [("page", page.id) for page in done.pages]


def test_nothing_due_and_nothing_ended_is_no_page() -> None:
    assert written().pages == []


# -- news ---------------------------------------------------------------------------------------


def test_a_page_says_what_the_latest_finding_says() -> None:
    episode, news = opened(), StepNews()
    news.add(episode.id, finding(because=(Phrase("first"),)))
    news.add(episode.id, finding(because=(Phrase("second"),)))
    (page,) = written(notifications(episode), news=news).pages
    assert "because second" in page.text
    assert "first" not in page.text


def test_what_happened_on_the_way_stays_in_the_reasons() -> None:
    episode, news = opened(), StepNews()
    news.add(episode.id, finding(because=(Phrase("ICE 4"),), events=(Phrase("ICE fell by 3, from 7 to 4"),)))
    news.add(episode.id, finding(because=(Phrase("ICE 4"),)))
    (page,) = written(notifications(episode), news=news).pages
    assert "because ICE fell by 3, from 7 to 4" in page.text


@pytest.mark.parametrize(("reason", "words"), [("resolved", "CRS 2 resolved"), ("retracted", "CRS 2 withdrawn")])
def test_of_an_end_everybody_who_was_notified_is_notified_at_low_urgency(reason: Reason, words: str) -> None:
    news = StepNews()
    ended = notifications(opened("crs", "high"), timedelta(minutes=25)).episode
    assert ended.notified == (ON_CALL, SECOND)
    news.add_ended(PageConcern(ended, reason, None))
    pages = written(news=news).pages
    assert [(page.to, page.urgency, page.reason) for page in pages] == [
        (ON_CALL, "low", reason),
        (SECOND, "low", reason),
    ]
    assert all(words in page.title for page in pages)
    assert not any("Acknowledge:" in page.text for page in pages)


def test_an_end_and_something_due_share_a_page_led_by_what_is_due() -> None:
    news = StepNews()
    over = notifications(opened("crs", "high")).episode
    news.add_ended(PageConcern(over, "resolved", None))
    icans = opened("icans", "critical")
    (page,) = written(notifications(icans), news=news).pages
    assert (page.urgency, page.episode, page.reason) == ("critical", icans.id, "new")
    assert "CRS 2 resolved" in page.title


def test_the_page_of_an_end_has_an_id_of_its_own() -> None:
    first = written(notifications(opened("crs", "high")))
    news = StepNews()
    news.add_ended(PageConcern(first.state.episodes["crs"], "resolved", None))
    (page,) = written(news=news).pages
    assert page.id != first.pages[0].id

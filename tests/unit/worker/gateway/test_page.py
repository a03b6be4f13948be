"""The page on the phone: what it shows, that looking changes nothing, and what each button does."""

import time
from datetime import timedelta

import pytest
from redis import Redis

from tests.support.desk import PERSON, Desk, site_with, words
from tests.support.stored_ward import Clock, crs2, everything, reading, waiting
from worker.store.shard import Store

PREVIEWS = (
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "WhatsApp/2.23.20.0 A",
    "TelegramBot (like TwitterBot)",
    "facebookexternalhit/1.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) SkypeUriPreview Preview/0.5",
)


# -- what it shows -----------------------------------------------------------------------------------


def test_it_shows_what_is_wrong_how_urgent_since_when_and_on_which_readings(desk: Desk) -> None:
    shown = words(desk.get(desk.link(desk.fall_ill())))
    assert "high since 10:00 CRS grade 2: fever plus hypotension HAEM-2 / 12 day +2 patient P1" in shown
    assert "Before none → Now 2" in shown
    assert "temperature 38.9 °C 10:00 monitor-7" in shown
    assert "systolic pressure 84 mmHg 10:00 monitor-7" in shown


def test_every_finding_of_a_page_stands_in_its_first_lines_before_the_readings(desk: Desk) -> None:
    platelets = reading("platelets", 18, unit="10*9/L") | {"by": "laboratory"}
    desk.send(*crs2(at=desk.clock.now()), reading("ice", 3), platelets)
    shown = words(desk.get(desk.link(desk.crs())))
    first_lines, _, _ = shown.partition("Before none")
    for finding in ("CRS grade 2", "ICANS grade 2, ICE 3/10", "CTCAE grade 4: platelets"):
        assert finding in first_lines


def test_an_ice_that_fell_says_from_what_to_what(desk: Desk) -> None:
    at = desk.clock.now()
    desk.send(*crs2(at=at), reading("ice", 10, at=at - timedelta(hours=12)), reading("ice", 7, at=at))
    assert "ICE fell by 3, from 10 to 7" in words(desk.get(desk.link(desk.crs())))


def test_it_shows_what_was_missing_and_which_conventions_were_used(desk: Desk) -> None:
    shown = words(desk.get(desk.link(desk.fall_ill())))
    assert "provisional: at least this grade" in shown
    assert "Missing" in shown
    assert "systolic pressure below 90 mmHg, the usual bedside definition" in shown


def test_it_shows_the_reminder_with_its_source_and_the_room_that_is_left(desk: Desk) -> None:
    episode = desk.fall_ill()
    given = {"type": "treatment", "source": "emar", "patient": "P1", "drug": "tocilizumab", "action": "given"}
    for hours in (30, 9):
        at = (desk.clock.now() - timedelta(hours=hours)).isoformat()
        desk.send(given | {"id": f"t{hours}", "effective": at, "dose": "480", "unit": "mg"})
    shown = words(desk.get(desk.link(episode)))
    assert "tocilizumab 8 mg/kg" in shown
    assert "2 of 4 doses of tocilizumab left, the next now" in shown
    assert "Source: ASCO guideline, pocket edition" in shown
    assert "tocilizumab 2 of 4 doses (1 of 3 in 24 h, the last 9 h ago)" in shown


def test_it_shows_the_context_of_the_patient_and_what_nobody_charted(desk: Desk) -> None:
    episode = desk.fall_ill()
    at = desk.clock.now().isoformat()
    given = {"type": "treatment", "source": "emar", "patient": "P1", "drug": "antibiotic", "action": "given"}
    desk.send(given | {"id": "a1", "effective": at})
    shown = words(desk.get(desk.link(episode)))
    assert "no culture charted, no imaging charted, antibiotic since" in shown
    assert "allergies not charted" in shown
    assert "antibiotic doses at most 48 h apart are one course" in shown


def test_it_shows_who_was_notified_and_what_became_of_it(desk: Desk) -> None:
    episode = desk.fall_ill()
    page = episode.deliveries[-1].page
    receipt = {"type": "receipt", "id": "r", "source": "delivery", "patient": "P1", "page": page, "channel": "phone-1"}
    desk.send(receipt | {"effective": desk.clock.now().isoformat(), "outcome": "sent"})
    assert "Haematologist on call phone-1, new sent" in words(desk.get(desk.link(episode)))


def test_it_has_the_trend_as_a_picture_and_in_words(desk: Desk) -> None:
    shown = desk.get(desk.link(desk.fall_ill()))
    assert '<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="Trend from' in shown.text
    assert "temperature: last 38.9 °C" in words(shown)


def test_an_italian_reader_reads_italian(redis: Redis, store: Store, clock: Clock) -> None:
    with Desk(redis, store, clock, site_with(haematologist_1={"language": "it"})) as desk:
        shown = desk.get(desk.link(desk.fall_ill()))
    assert '<html lang="it">' in shown.text
    assert "CRS grado 2: febbre" in words(shown)
    assert "Lo prendo in carico" in words(shown)
    assert "Nessuno l'ha ancora preso in carico" in words(shown)
    assert "I have it" not in words(shown)


def test_what_came_in_is_escaped(desk: Desk) -> None:
    desk.fall_ill()
    at = desk.clock.forward(minutes=1)
    desk.send(reading("temperature", "39.9", at=at, source="<script>alert(1)</script>"))
    shown = desk.get(desk.link(desk.crs())).text
    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert" in shown


def test_it_works_for_a_technical_episode(desk: Desk) -> None:
    desk.send(reading("temperature", "12", unit="parsec"))
    state = desk.store.state("~site")
    assert state is not None
    episode = next(iter(state.episodes.values()))
    path = desk.link(episode, "technician-1")
    assert "technical" in words(desk.get(path))
    assert desk.press(path, "hand-over", to="consultant-1").status_code == 303
    desk.work()
    assert "Handed over to Consultant haematologist" in words(desk.get(path))


# -- looking changes nothing -------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("agent", PREVIEWS)
def test_looking_changes_nothing(desk: Desk, method: str, agent: str) -> None:
    path = desk.link(desk.fall_ill())
    before = everything(desk.redis)
    assert desk.browser.request(method, path, headers={"user-agent": agent}).status_code == 200
    assert everything(desk.redis) == before


def test_a_preview_has_nothing_to_quote(desk: Desk) -> None:
    shown = desk.get(desk.link(desk.fall_ill())).text
    head = shown[: shown.index("</head>")]
    assert "<title>cartwatch</title>" in head
    assert "og:" not in head
    assert "CRS" not in head


@pytest.mark.parametrize("action", ["have-it", "hand-over", "silence", "false-alarm"])
def test_the_address_of_an_answer_cannot_be_opened(desk: Desk, action: str) -> None:
    path = desk.link(desk.fall_ill())
    before = everything(desk.redis)
    assert desk.get(f"{path}/{action}").status_code == 405
    assert everything(desk.redis) == before


# -- answers -----------------------------------------------------------------------------------------


def test_i_have_it(desk: Desk) -> None:
    path = desk.link(desk.fall_ill())
    answered = desk.press(path, "have-it")
    assert answered.status_code == 303
    assert answered.headers["location"].startswith(f"{path}?press=")
    assert "Saving" in words(desk.get(answered.headers["location"]))
    desk.work()
    assert desk.crs().acknowledged_by == PERSON
    shown = words(desk.get(answered.headers["location"]))
    assert "You have it since 10:00" in shown
    assert "I have it" not in shown


def test_while_it_is_being_taken_the_page_looks_again_by_itself(desk: Desk) -> None:
    path = desk.link(desk.fall_ill())
    there = desk.press(path, "have-it").headers["location"]
    assert '<meta http-equiv="refresh" content="1">' in desk.get(there).text
    desk.work()
    assert "http-equiv" not in desk.get(there).text


def test_a_double_press_is_one_message(desk: Desk) -> None:
    path = desk.link(desk.fall_ill())
    first, second = (desk.post(f"{path}/have-it", data={"mark": "0123"}) for _ in range(2))
    assert first.headers["location"] == second.headers["location"]
    assert waiting(desk.store) == 1


def test_a_press_after_the_first_was_processed_is_still_the_same(desk: Desk) -> None:
    path = desk.link(desk.fall_ill())
    for _ in range(2):
        desk.post(f"{path}/hand-over", data={"mark": "0123", "to": "consultant-1"})
        desk.work()
    assert [one.to for one in desk.crs().deliveries if one.reason == "handed_over"] == ["consultant-1"]


def test_somebody_else_has_it_already(desk: Desk) -> None:
    desk.fall_ill()
    desk.clock.forward(minutes=21)
    desk.work()
    first, second = desk.link(desk.crs()), desk.link(desk.crs(), "haematologist-2")
    desk.press(first, "have-it")
    desk.work()
    assert "Haematologist on call has it since 10:21" in words(desk.get(second))
    desk.post(f"{second}/have-it", data={"mark": "1"})
    desk.work()
    assert desk.crs().acknowledged_by == PERSON


def test_somebody_else_takes_over_from_whoever_has_it(desk: Desk) -> None:
    desk.fall_ill()
    desk.clock.forward(minutes=21)
    desk.work()
    first, second = desk.link(desk.crs()), desk.link(desk.crs(), "haematologist-2")
    desk.press(first, "have-it")
    desk.work()
    assert "Take over from Haematologist on call" in words(desk.get(second))
    there = desk.press(second, "take-over", **{"from": PERSON}).headers["location"]
    desk.work()
    assert desk.crs().acknowledged_by == "haematologist-2"
    assert "You have it since 10:21" in words(desk.get(there))
    assert "Second haematologist on call has it since 10:21" in words(desk.get(first))
    assert [one.to for one in desk.crs().deliveries if one.reason == "taken_over"] == [PERSON]


def test_a_take_over_from_somebody_who_has_it_no_longer_says_that_it_changed_nothing(desk: Desk) -> None:
    desk.fall_ill()
    desk.clock.forward(minutes=21)
    desk.work()
    first, second = desk.link(desk.crs()), desk.link(desk.crs(), "haematologist-2")
    desk.press(first, "have-it")
    desk.work()
    there = desk.press(second, "take-over", **{"from": "consultant-1"}).headers["location"]
    desk.work()
    shown = words(desk.get(there))
    assert "Your answer was saved but changed nothing" in shown
    assert "Haematologist on call has it since 10:21" in shown


def test_handed_over_to_a_person(desk: Desk) -> None:
    path = desk.link(desk.fall_ill())
    there = desk.press(path, "hand-over", to="consultant-1", why="in theatre").headers["location"]
    desk.work()
    assert desk.crs().deliveries[-1].to == "consultant-1"
    said = "Handed over to Consultant haematologist, paged at 10:00; handed over by Haematologist on call"
    assert said in words(desk.get(there))


def test_handed_over_to_the_next_of_the_ladder(desk: Desk) -> None:
    path = desk.link(desk.fall_ill())
    there = desk.press(path, "hand-over").headers["location"]
    desk.work()
    assert desk.crs().deliveries[-1].to == "haematologist-2"
    shown = words(desk.get(there))
    assert "Handed over to Second haematologist on call, paged at 10:00" in shown
    assert "changed nothing" not in shown


def test_handing_over_to_somebody_unknown_is_refused(desk: Desk) -> None:
    path = desk.link(desk.fall_ill())
    refused = desk.press(path, "hand-over", to="nobody-9")
    assert refused.status_code == 400
    assert "Choose somebody from the list" in words(refused)
    assert waiting(desk.store) == 0


def test_silenced_for_two_hours(desk: Desk) -> None:
    path = desk.link(desk.fall_ill())
    there = desk.press(path, "silence", hours="2", why="known, fluids running").headers["location"]
    desk.work()
    assert desk.crs().silenced_until == desk.clock.now() + timedelta(hours=2)
    assert "Silenced until 12:00. Worsening breaks through." in words(desk.get(there))


@pytest.mark.parametrize(
    ("fields", "why"), [({"hours": "2"}, "Say why"), ({"hours": "99", "why": "x"}, "Choose for how")]
)
def test_a_silence_needs_a_length_and_a_reason(desk: Desk, fields: dict[str, str], why: str) -> None:
    refused = desk.press(desk.link(desk.fall_ill()), "silence", **fields)
    assert refused.status_code == 400
    assert why in words(refused)
    assert waiting(desk.store) == 0


def test_a_false_alarm_is_closed(desk: Desk) -> None:
    path = desk.link(desk.fall_ill())
    there = desk.press(path, "false-alarm", why="cuff on the wrong arm").headers["location"]
    desk.work()
    state = desk.store.state("P1")
    assert state is not None
    assert "crs" not in state.episodes
    shown = words(desk.get(there))
    assert "CRS" in shown
    assert "This is over since 10:00" in shown
    assert "I have it" not in shown


def test_of_one_that_is_over_nothing_is_taken(desk: Desk) -> None:
    path = desk.link(desk.fall_ill())
    desk.press(path, "false-alarm", why="cuff on the wrong arm")
    desk.work()
    assert desk.post(f"{path}/have-it", data={"mark": "2"}).headers["location"] == path
    assert waiting(desk.store) == 0


def test_the_link_of_an_older_page_does_not_take_what_it_did_not_tell(desk: Desk) -> None:
    older = desk.link(desk.fall_ill())
    mark = {"mark": "3"}
    desk.clock.forward(minutes=1)
    at = desk.clock.now().isoformat()
    pressor = {"type": "treatment", "id": "n", "source": "emar", "patient": "P1", "drug": "norepinephrine"}
    desk.send(pressor | {"effective": at, "action": "started"})
    shown = words(desk.get(older))
    assert "It has worsened since this page" in shown
    assert "CRS grade 3" in shown
    assert "I have it" not in shown
    assert desk.post(f"{older}/have-it", data=mark).headers["location"] == older
    desk.work()
    assert desk.crs().acknowledged_by == ""
    desk.press(desk.link(desk.crs()), "have-it")
    desk.work()
    assert desk.crs().acknowledged_by == PERSON


def test_a_press_that_the_worsening_overtook_says_that_it_changed_nothing(desk: Desk) -> None:
    path = desk.link(desk.fall_ill())
    there = desk.press(path, "have-it").headers["location"]
    desk.work()
    desk.clock.forward(minutes=1)
    pressor = {"type": "treatment", "id": "n", "source": "emar", "patient": "P1", "drug": "norepinephrine"}
    desk.send(pressor | {"effective": desk.clock.now().isoformat(), "action": "started"})
    shown = words(desk.get(there))
    assert "You have it" not in shown
    assert "Nobody has it yet" in shown


def test_the_store_being_away_is_said_and_nothing_claimed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from redis.exceptions import ConnectionError as RedisConnectionError

    path = desk.link(desk.fall_ill())

    def gone(*_: object) -> None:
        raise RedisConnectionError

    monkeypatch.setattr(desk.store, "patient_of", gone)
    shown = desk.post(f"{path}/have-it", data={"mark": "4"})
    assert shown.status_code == 503
    assert "Your answer was not saved" in words(shown)


def test_of_a_page_of_several_what_is_left_can_still_be_taken(desk: Desk) -> None:
    at = desk.clock.now()
    desk.send(*crs2("P1", at), reading("ice", 4, at=at, source="ward", by="person"))
    path = desk.link(desk.crs())
    state = desk.store.state("P1")
    assert state is not None
    icans = state.episodes["icans"]
    assert icans.deliveries[-1].page == desk.crs().deliveries[-1].page, "one page for both"
    there = desk.press(path, "false-alarm", why="cuff on the wrong arm", episode=desk.crs().id).headers["location"]
    desk.work()
    shown = words(desk.get(there))
    assert "ICANS grade 2" in shown
    assert "changed nothing" not in shown
    desk.press(path, "have-it")
    desk.work()
    after = desk.store.state("P1")
    assert after is not None
    assert after.episodes["icans"].acknowledged_by == PERSON


# -- whose link --------------------------------------------------------------------------------------


def refused(desk: Desk, path: str) -> str:
    """What is said where a link is refused; neither looking nor tapping changes anything."""
    before = everything(desk.redis)
    shown = desk.get(path)
    assert shown.status_code in (403, 404, 410)
    assert desk.post(f"{path}/have-it", data={"mark": "5"}).status_code == shown.status_code
    assert everything(desk.redis) == before
    assert "38.9" not in shown.text
    return words(shown)


def test_a_tampered_link_is_refused(desk: Desk) -> None:
    path = desk.link(desk.fall_ill())
    for spot in (5, 20, len(path) - 3):
        changed = path[:spot] + ("A" if path[spot] != "A" else "B") + path[spot + 1 :]
        assert "This link is not valid" in refused(desk, changed)


def test_an_expired_link_is_refused(desk: Desk) -> None:
    path = desk.link(desk.fall_ill())
    desk.clock.forward(hours=24, seconds=1)
    assert "This link has expired" in refused(desk, path)


def test_a_page_that_was_sent_to_somebody_else_is_refused(desk: Desk) -> None:
    episode = desk.fall_ill()
    made = desk.links.page(episode.deliveries[-1].page, "consultant-1", desk.clock.now())
    assert "for somebody else" in refused(desk, made.removeprefix(desk.links.public_url))


def test_somebody_who_is_not_of_this_hospital_is_refused(desk: Desk) -> None:
    episode = desk.fall_ill()
    made = desk.links.page(episode.deliveries[-1].page, "left-last-year", desk.clock.now())
    assert "for somebody else" in refused(desk, made.removeprefix(desk.links.public_url))


def test_an_episode_of_no_patient_is_refused(desk: Desk) -> None:
    desk.fall_ill()
    made = desk.links.page("000000000000.1", PERSON, desk.clock.now())
    assert "Page not found" in refused(desk, made.removeprefix(desk.links.public_url))


def test_another_page_s_episode_cannot_be_answered(desk: Desk) -> None:
    path = desk.link(desk.fall_ill("P1"))
    other = desk.fall_ill("P2")
    desk.press(path, "have-it", episode=other.id)
    desk.work()
    assert desk.crs("P2").acknowledged_by == ""
    assert desk.crs("P1").acknowledged_by == ""


def test_wrong_links_are_slowed_down_and_a_good_one_still_works(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    path = desk.link(desk.fall_ill())
    answers = [desk.get(f"/p/guess-{number}").status_code for number in range(25)]
    assert answers == [403] * 20 + [429] * 5
    assert desk.get(path).status_code == 200
    monkeypatch.setattr(desk.gateway.failed_attempts, "_ticks", lambda: time.monotonic() + 61)
    assert desk.get("/p/guess").status_code == 403


def test_a_form_of_another_site_is_refused(desk: Desk) -> None:
    path = desk.link(desk.fall_ill())
    for headers in ({"origin": "https://evil.test"}, {"sec-fetch-site": "cross-site"}):
        assert desk.post(f"{path}/have-it", headers=headers).status_code == 403
    assert waiting(desk.store) == 0


def test_what_was_tapped_is_a_native_message_of_the_gateway(desk: Desk) -> None:
    from alerts.message_json import read_message

    path = desk.link(desk.fall_ill())
    desk.press(path, "have-it")
    [(_, fields)] = desk.redis.xrange(desk.store.keys.of("P1").inbox)
    message = read_message(fields[b"m"])
    assert (message.type, message.source, message.patient) == ("acknowledgement", "gateway", "P1")

"""The commands by which a person answers an episode: through the inbox to the state."""

import pytest

from alerts.episodes.episode import Episode
from alerts.state import PatientState
from tests.support.stored_ward import KEYS, SITE, Clock, crs2, owed, send
from tests.unit.worker.test_cli import run
from worker.clock import StoreClock
from worker.commands import responses
from worker.processing.advance import advance
from worker.store.shard import Store

BY = ("--by", "haematologist-1")


@pytest.fixture
def episode(service: Store) -> str:
    """A patient with CRS 2 whom nobody has answered."""
    send(service, crs2())
    advance(service, KEYS.of("P1"), Clock(), SITE)
    return owed(service)[0].page.episode


@pytest.fixture(autouse=True)
def worker(service: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that runs while a command waits for its answer."""
    monkeypatch.setattr(responses, "pause", lambda _: advance(service, KEYS.of("P1"), StoreClock(service.redis), SITE))


def settled(service: Store) -> PatientState:
    """The patient once everything that was said has been taken in."""
    advance(service, KEYS.of("P1"), StoreClock(service.redis), SITE)
    state = service.state("P1")
    assert state is not None
    return state


def crs(service: Store) -> Episode:
    return settled(service).episodes["crs"]


def test_a_page_that_is_named_is_what_is_answered(service: Store, episode: str) -> None:
    run("ack", episode, *BY, "--page", f"{episode}.1")
    assert crs(service).acknowledged_by == "haematologist-1"


def test_an_episode_is_handed_over_to_a_named_person(service: Store, episode: str) -> None:
    said = run("hand-over", episode, *BY, "--to", "consultant-1")
    at = crs(service).deliveries[-1].at.astimezone(SITE.zone)
    assert (said.exit_code, said.stdout) == (0, f"{episode} is handed over to consultant-1, paged at {at:%H:%M}\n")
    assert "consultant-1" in {notified.to for notified in crs(service).deliveries}


def test_an_episode_is_not_handed_over_to_somebody_unknown(service: Store, episode: str) -> None:
    said = run("hand-over", episode, *BY, "--to", "nobody")
    assert (said.exit_code, "--to" in said.stderr, "consultant-1" in said.stderr) == (2, True, True)
    assert service.redis.xlen(KEYS.of("P1").inbox) == 0


def test_an_episode_is_silenced_for_a_while_and_the_board_says_by_whom_and_why(service: Store, episode: str) -> None:
    said = run("silence", episode, *BY, "--for", "2 h", "--why", "treatment running")
    assert said.exit_code == 0
    assert crs(service).silenced_until is not None
    shown = run("board").stdout
    assert "haematologist-1: treatment running" in shown


def test_a_silence_is_ended_by_its_id(service: Store, episode: str) -> None:
    run("silence", episode, *BY, "--for", "2 h", "--why", "treatment running")
    (silence,) = settled(service).silences
    said = run("silence", "--end", silence.id, *BY)
    assert said.stdout == f"silence {silence.id} ended\n"
    assert settled(service).silences == ()


def test_a_silence_that_is_not_in_force_cannot_be_ended(episode: str) -> None:
    said = run("silence", "--end", episode, *BY)
    assert (said.exit_code, "see `cartwatch board`" in said.stderr) == (1, True)


def test_a_condition_of_a_patient_is_silenced_up_to_an_urgency(service: Store, episode: str) -> None:
    del episode
    condition = ("--patient", "P1", "--condition", "cytopenia", "--urgency", "medium")
    assert run("silence", *condition, *BY, "--for", "8 h", "--why", "expected").exit_code == 0
    (silence,) = settled(service).silences
    assert (silence.condition, silence.urgency, silence.episode) == ("cytopenia", "medium", "")


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--for", "2 h", "--why", "x"], "--patient and --condition"),
        (["E", "--why", "x"], "--for"),
        (["E", "--for", "2 h"], "--why"),
        (["E", "--for", "tomorrow", "--why", "x"], "duration"),
        (["--patient", "P1", "--condition", "crs", "--for", "2 h", "--why", "x"], "urgency"),
    ],
    ids=["of nothing", "how long", "why", "no duration", "no urgency"],
)
def test_a_silence_that_cannot_be_understood_is_refused_and_hides_nothing(
    service: Store, episode: str, arguments: list[str], names: str
) -> None:
    said = run("silence", *[episode if word == "E" else word for word in arguments], *BY)
    assert said.exit_code != 0
    assert names in said.stderr
    assert settled(service).silences == ()


def test_a_false_alarm_closes_the_episode_and_stands_in_the_journal(service: Store, episode: str) -> None:
    run("close", episode, *BY, "--why", "cuff too small", "--false-alarm")
    assert "crs" not in settled(service).episodes
    events = [event for _, record in service.journal(KEYS.of("P1")) for event in record["events"]]
    (closed,) = [event for event in events if event["kind"] == "closed"]
    assert (closed["reason"], closed["by"], closed["why"]) == ("false_alarm", "haematologist-1", "cuff too small")


def test_what_is_printed_is_who_has_it(service: Store, episode: str) -> None:
    assert run("ack", episode, *BY).stdout == f"haematologist-1 has {episode}\n"
    second = run("ack", episode, "--by", "haematologist-2")
    assert (second.exit_code, f"haematologist-1 has {episode}; to take it over" in second.stderr) == (1, True)
    assert crs(service).acknowledged_by == "haematologist-1"
    third = run("ack", episode, "--by", "haematologist-2", "--take-over", "--yes")
    assert third.stdout == f"haematologist-2 has {episode}, taken over from haematologist-1\n"
    assert crs(service).acknowledged_by == "haematologist-2"


def test_handed_over_to_the_next_on_the_ladder_names_them(service: Store, episode: str) -> None:
    said = run("hand-over", episode, *BY)
    assert f"{episode} is handed over to haematologist-2, paged at " in said.stdout
    assert crs(service).deliveries[-1].reason == "handed_over"

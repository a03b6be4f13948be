"""`cartwatch route`: who would be notified when, as the ladder itself decides."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from alerts.episodes import escalation
from alerts.episodes.delivery_log import Delivery
from alerts.episodes.lifecycle import acknowledge
from alerts.episodes.preview import Handover, handovers, hypothetical
from alerts.episodes.silences import Silenced
from alerts.state import PatientState
from config.rota import Role, always
from config.settings import Settings
from config.site import Site
from tests.support.configuration import folder
from tests.support.stored_ward import NOW, SITE, Clock
from worker.cli import main
from worker.commands.route_text import Route
from worker.runtime.runtime import Runtime
from worker.store.shard import Store

ONE, TWO, CONSULTANT = "haematologist-1", "haematologist-2", "consultant-1"


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def with_role(role: str, **schedule: object) -> Site:
    """The shipped site with one role as written in YAML."""
    roles = {**SITE.on_call.roles, role: Role.model_validate(schedule)}
    return SITE._replace(on_call=SITE.on_call.model_copy(update={"roles": roles}))


def notified(found: list[str]) -> list[tuple[str, str]]:
    """Hour and name of every line that says who is notified."""
    return [
        (line.split()[0], line.split("(")[1].split(")")[0]) for line in found if " min " in line and "(" in line[20:]
    ]


def route(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["route", *arguments], catch_exceptions=False)


def test_the_ladder_as_json_lines() -> None:
    said = route("--urgency", "critical", "--at", "2026-01-05T07:52", "--json")
    first = json.loads(said.stdout.splitlines()[0])
    assert first == {
        "at": "2026-01-05T06:52:00+00:00",
        "reason": "new",
        "person": ONE,
        "channels": ["phone-1"],
        "roles_nobody_holds": [],
    }


# -- a page that would be new ----------------------------------------------------------------------


def test_the_shipped_ladder_minute_by_minute() -> None:
    said = route("--urgency", "critical", "--at", "2026-01-05T07:52")
    at_most = SITE.on_call.ladders["critical"].ack_timeout_max
    assert said.exit_code == 0
    assert said.stdout.splitlines() == [
        "critical, from Mon 05 Jan 2026 07:52 (Europe/Rome)",
        "  07:52  +0 min    new          Haematologist on call (haematologist-1): phone-1 (full), in en",
        "  07:57  +5 min    repeat       Haematologist on call (haematologist-1): phone-1 (full), in en",
        "  08:02  +10 min   repeat       Second haematologist on call (haematologist-2): phone-2 (full), in en",
        "  08:07  +15 min   repeat       Consultant haematologist (consultant-1) [last resort]: phone-3 (full), in en",
        "  08:22  +30 min   repeat       Haematologist on call (haematologist-1): phone-1 (full), in en",
        "  08:22  +30 min   repeat       Second haematologist on call (haematologist-2): phone-2 (full), in en",
        "  08:22  +30 min   repeat       Consultant haematologist (consultant-1) [last resort]: phone-3 (full), in en",
        "  08:37  +45 min   repeat       Haematologist on call (haematologist-1): phone-1 (full), in en",
        "  08:37  +45 min   repeat       Second haematologist on call (haematologist-2): phone-2 (full), in en",
        "  08:37  +45 min   repeat       Consultant haematologist (consultant-1) [last resort]: phone-3 (full), in en",
        "  and so on every 15 min, until somebody acknowledges or the condition is gone",
        "Whoever acknowledges has it for 4 h (acknowledged at 07:52: until 11:52), is then asked, and has "
        "5 min before the ladder starts again."
        f" Each yes lasts twelve times as long, up to {at_most // timedelta(hours=1)} h.",
    ]


def test_a_ladder_without_repeats_ends() -> None:
    said = route("--urgency", "low", "--at", "2026-01-05T07:52").stdout.splitlines()
    assert said[-2:] == ["  then nobody any more", "Whoever acknowledges has it until it worsens."]


def test_a_new_day_is_said() -> None:
    said = route("--urgency", "medium", "--at", "2026-01-05T23:50").stdout.splitlines()
    assert said[2] == "Tue 06 Jan 2026"
    assert said[3].startswith("  00:20  +30 min")


def test_it_shows_channels_in_order_and_the_language(tmp_path: Path) -> None:
    path = folder(tmp_path, ("channels: [phone-1]", "channels: [phone-4, phone-1]\n    language: it"))
    said = route("--urgency", "high", "--at", "2026-01-05T08:00", "--config", str(path)).stdout
    assert "(haematologist-1): phone-4 (minimal), then phone-1 (full), in it\n" in said


def test_a_time_is_on_the_clock_of_the_hospital_and_the_first_of_two() -> None:
    said = route("--urgency", "medium", "--at", "2026-10-25T02:40").stdout.splitlines()
    assert [line.split()[:2] for line in said[1:4]] == [["02:40", "+0"], ["02:10", "+30"], ["04:10", "+150"]]


@pytest.mark.parametrize(
    "arguments",
    [[], ["e1", "--urgency", "high"], ["e1", "--at", "2026-01-05T08:00"], ["--urgency", "grave"], ["--at", "noon"]],
)
def test_what_cannot_be_meant_is_refused(arguments: list[str]) -> None:
    assert route(*arguments).exit_code == 2


# -- with a rota -----------------------------------------------------------------------------------

MORNING = {
    "rotations": [{"people": [ONE, TWO], "from": "2024-06-14T07:57", "every": "12 h"}],
    "always": ["technician-1"],
}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SITE.zone)


def test_a_hand_over_in_the_middle_of_a_ladder_is_shown_and_the_next_step_notifies_whoever_is_on_duty() -> None:
    site = with_role("on_call", **MORNING)
    now = at("2024-06-14T07:55")
    lines = list(Route(hypothetical("critical", now), (), now, site).lines())
    assert lines[1:4] == [
        "  07:55  +0 min    new          Integration technician (technician-1): phone-4 (minimal), in en",
        "  07:57  on_call changes hands: Integration technician (technician-1) -> "
        "Haematologist on call (haematologist-1)",
        "  08:00  +5 min    repeat       Haematologist on call (haematologist-1): phone-1 (full), in en",
    ]
    assert handovers(hypothetical("critical", now), now, now + minutes(30), site) == [
        Handover(at("2024-06-14T07:57"), "on_call", ("technician-1",), (ONE,))
    ]


def test_a_role_that_nobody_holds_then_falls_to_the_last_resort_and_is_named() -> None:
    schedule = {"rotations": [{"people": [ONE], "from": "2024-06-14T08:00", "every": "1 d"}]}
    now = at("2024-06-14T07:57")
    lines = list(Route(hypothetical("high", now), (), now, with_role("on_call", **schedule)).lines())
    assert "(consultant-1) [last resort]" in lines[1]
    assert lines[2].strip() == "nobody holds on_call then: see `cartwatch check`"
    assert lines[3].strip() == "08:00  on_call changes hands: nobody -> Haematologist on call (haematologist-1)"
    assert "(haematologist-1)" in lines[4]


# -- an episode as it stands -----------------------------------------------------------------------


def standing(episode: str = "e1") -> Route:
    """A critical page, notified five minutes ago for the first time."""
    due = escalation.due(replace(hypothetical("critical", NOW), id=episode), NOW, SITE)
    assert due is not None
    sent = Delivery(page=f"{episode}.1", to=ONE, channel="phone-1", reason="new", at=NOW, round=1, state="sent")
    return Route(replace(due.episode, deliveries=(sent,)), (), NOW + minutes(3), SITE)


def test_an_episode_is_shown_with_what_was_sent_and_what_is_left_of_its_ladder() -> None:
    lines = list(standing().lines())
    assert lines[1] == "  10:00  new          Haematologist on call (haematologist-1) on phone-1: sent"
    assert notified(lines)[:3] == [("10:05", ONE), ("10:10", TWO), ("10:15", CONSULTANT)]


def test_an_acknowledged_one_says_until_when_and_what_follows_without_an_answer() -> None:
    found = standing()
    taken = found._replace(episode=acknowledge(found.episode, ONE, NOW + minutes(2)))
    lines = list(taken.lines())
    assert "  Haematologist on call (haematologist-1) has it until 14:02" in lines
    follows = [line.split()[:4] for line in lines if " min " in line and line.startswith("  1")]
    assert follows[0] == ["14:02", "+239", "min", "still_on_it"]
    assert follows[1][:3] == ["14:07", "+244", "min"]


def test_a_silenced_one_says_by_whom_until_when_and_why_and_goes_on_afterwards() -> None:
    silence = Silenced("gateway", "q1", NOW, NOW + minutes(60), ONE, "being treated", "critical", "", "e1")
    lines = list(standing()._replace(silences=(silence,)).lines())
    assert "  silenced by Haematologist on call (haematologist-1) until 11:00: being treated" in lines
    assert notified(lines)[0] == ("11:00", ONE)


def test_one_nobody_is_notified_of_any_more_says_so() -> None:
    found = standing()
    over = found._replace(episode=replace(found.episode, next_at=None))
    assert "  nobody is notified any more" in list(over.lines())


def test_people_who_left_the_configuration_are_still_named_by_their_id() -> None:
    found = standing()
    people = {name: person for name, person in SITE.on_call.people.items() if name != ONE}
    roles = {**SITE.on_call.roles, "on_call": always(TWO)}
    site = SITE._replace(on_call=SITE.on_call.model_copy(update={"people": people, "roles": roles}))
    assert any("new          haematologist-1 on phone-1: sent" in line for line in found._replace(site=site).lines())


# -- of the running service ------------------------------------------------------------------------


@pytest.fixture
def service(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that knows the episode e1 as open and e0 as closed."""
    state = PatientState(patient="P1", episodes={"crs": standing().episode})
    monkeypatch.setattr(store, "patient_of", {"e1": "P1", "e0": "P1"}.get)
    monkeypatch.setattr(store, "state", {"P1": state}.get)
    run = Runtime(Settings(), SITE, store, Clock(NOW + minutes(3)))
    monkeypatch.setattr("worker.commands.route.runtime", lambda: run)


@pytest.mark.usefixtures("service")
def test_an_episode_of_the_running_service_is_shown_as_it_stands() -> None:
    said = route("e1")
    assert said.exit_code == 0
    assert said.stdout.splitlines() == list(standing().lines())


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    ("episode", "why"), [("e0", "episode e0 is closed"), ("e9", "no episode e9; see `cartwatch board`")]
)
def test_an_episode_that_is_not_open_is_said(episode: str, why: str) -> None:
    said = route(episode)
    assert said.exit_code == 1
    assert why in said.stderr

"""The export of a site's own stream: nothing of a name leaves, and the rules page on it what they paged before."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from alerts.message_json import read_message
from alerts.messages import AnyMessage
from config.site import load_site
from tests.support.stored_ward import NOW, SITE, Clock
from worker.cli import main
from worker.processing.advance import advance
from worker.quality.answers import parse_answer
from worker.quality.cohort import CohortPlan, simulate
from worker.quality.drive import drive
from worker.quality.export import Choice, Pseudonymiser, kept_messages, pseudonymised
from worker.quality.stream import Stay, arrival, read, read_stays
from worker.store.inbox import accept
from worker.store.shard import Store

KEY = b"k" * 32
FAST = parse_answer("fixed 4 min")


def message(type_: str, **fields: Any) -> AnyMessage:
    body = {"type": type_, "id": "MRN-77-1", "source": "dr-rossi-pc", "patient": "ROSSI-MARIO", "effective": NOW}
    return read_message(msgspec.json.encode({**body, "effective": NOW.isoformat(), **fields}))


SECRETS = ("ROSSI", "MRN", "rossi", "Bianchi", "HAEM", "1955-05", "bed")

PATIENT = [
    message("registration", infused=NOW.isoformat(), born="1955-05-17", ward="HAEM-2", bed="bed 12", team="Rossi"),
    message("reading", reading="temperature", value=38.4, unit="Cel", by="person"),
    message("reading", reading="ice", absent="Rossi refused", by="person"),
    message("statement", statement="hypotension", value=True, by="dr Bianchi"),
    message("treatment", drug="tocilizumab", action="given", dose="480", unit="mg", by="dr Bianchi"),
    message("merge", into="ROSSI-MARIO-2", by="dr Bianchi"),
    message("discharge", by="dr Bianchi"),
]
LEFT_OUT = [
    message("note", text="Rossi sleeps"),
    message("acknowledgement", episode="e", by="dr-rossi"),
    message("silence", episode="e", until=NOW.isoformat(), by="dr-rossi", why="Rossi is asleep"),
]


def exported(*messages: AnyMessage) -> list[dict[str, Any]]:
    return list(pseudonymised([(one, NOW.astimezone(UTC)) for one in messages], KEY))


def test_the_purpose_of_a_dose_leaves_because_a_rule_rests_on_it() -> None:
    (body,) = exported(message("treatment", drug="anakinra", action="given", purpose="prophylaxis"))
    assert body["purpose"] == "prophylaxis"
    (registration,) = exported(message("registration", allergies="latex"))
    assert "allergies" not in registration, "they are free text"


def test_no_name_place_person_or_text_leaves() -> None:
    text = msgspec.json.encode(exported(*PATIENT, *LEFT_OUT)).decode()
    assert [secret for secret in SECRETS if secret in text] == []


def test_what_people_answered_and_wrote_is_left_out_and_the_rest_is_kept() -> None:
    kept = exported(*PATIENT, *LEFT_OUT)
    assert [body["type"] for body in kept] == [one.type for one in PATIENT]
    assert kept[1]["value"] == "38.4" or kept[1]["value"] == 38.4
    assert kept[0]["born"] == "1955-01-01"


def test_every_exported_line_is_a_native_message() -> None:
    for body in exported(*PATIENT):
        read_message(msgspec.json.encode(body))


def test_an_age_above_ninety_is_ninety() -> None:
    old = message("registration", born="1920-03-03")
    year = datetime.fromisoformat(exported(old)[0]["effective"]).year
    assert exported(old)[0]["born"] == f"{year - 90}-01-01"


def test_the_same_name_has_one_pseudonym_and_another_key_another() -> None:
    one, other = Pseudonymiser(KEY), Pseudonymiser(b"x" * 32)
    assert one.name("p", "A") == Pseudonymiser(KEY).name("p", "A") != other.name("p", "A")
    assert one.name("p", "A") != one.name("s", "A")


def test_a_merge_names_the_same_pseudonym_as_the_record_itself() -> None:
    into = next(body for body in exported(*PATIENT) if body["type"] == "merge")["into"]
    assert into == Pseudonymiser(KEY).name("p", "ROSSI-MARIO-2")


def test_times_move_by_whole_weeks_so_that_hours_and_intervals_stay() -> None:
    names = Pseudonymiser(KEY)
    moved = {names.moved_by(f"P{number}") for number in range(200)}
    assert all(
        timedelta(weeks=1) <= by <= timedelta(weeks=52) and by % timedelta(weeks=1) == timedelta() for by in moved
    )
    assert len(moved) > 20
    body = exported(PATIENT[1])[0]
    assert datetime.fromisoformat(body["effective"]) == NOW - names.moved_by("ROSSI-MARIO")


def test_the_rules_page_on_an_export_what_they_page_on_the_stream() -> None:
    stay = Stay("x", simulate(CohortPlan("cohort", "ward", 6, 1), 0).lines)
    messages = read(stay).messages
    lines = [msgspec.json.encode(body) for body in pseudonymised([(one, arrival(one)) for one in messages], KEY)]
    copied = read(Stay("y", lines)).messages
    site = load_site()
    before = drive(messages[0].patient, messages, site, FAST)
    after = drive(copied[0].patient, copied, site, FAST)
    assert before.pages
    begun = [(page.at - before.begins, page.condition, page.levels, page.reason) for page in before.pages]
    assert [(page.at - after.begins, page.condition, page.levels, page.reason) for page in after.pages] == begun


# -- from a service ------------------------------------------------------------------------------------


@pytest.fixture
def charted(service: Store, clock: Clock) -> Store:
    """A store in which the patient's messages were evaluated."""
    accept(service.redis, service.keys, [one.model_dump_json(exclude_none=True).encode() for one in PATIENT[:2]], NOW)
    for shard in service.keys.all():
        advance(service, shard, clock, SITE)
    return service


def test_the_command_writes_what_the_journal_keeps(charted: Store, tmp_path: Path) -> None:
    path = tmp_path / "own.ndjson.gz"
    ended = CliRunner().invoke(main, ["export", "--pseudonymised", "--output", str(path), "--key", str(tmp_path / "k")])
    assert ended.exit_code == 0, ended.output
    (stay,) = read_stays(path)
    assert [one.type for one in read(stay).messages] == ["registration", "reading"]
    assert "ROSSI" not in stay.patient
    assert path.stat().st_mode & 0o777 == (tmp_path / "k").stat().st_mode & 0o777 == 0o600
    assert len(list(kept_messages(charted, None))) == 2


def test_with_its_key_a_later_export_continues_the_pseudonyms(charted: Store, tmp_path: Path) -> None:
    del charted
    found = set()
    for name in ("a", "b"):
        path = tmp_path / f"{name}.ndjson.gz"
        CliRunner().invoke(main, ["export", "--pseudonymised", "--output", str(path), "--key", str(tmp_path / "k")])
        found.add(read_stays(path)[0].patient)
    assert len(found) == 1


@pytest.mark.usefixtures("charted")
@pytest.mark.parametrize("chosen", [[], ["--pseudonymised", "--with-names"]])
def test_nothing_is_exported_unless_its_form_is_chosen(chosen: list[str], tmp_path: Path) -> None:
    ended = CliRunner().invoke(main, ["export", *chosen, "--output", str(tmp_path / "own.ndjson.gz")])
    assert ended.exit_code == 2
    assert not (tmp_path / "own.ndjson.gz").exists()


def test_messages_are_chosen_by_patient_and_by_time(charted: Store, tmp_path: Path) -> None:
    def count(chosen: Choice) -> int:
        return len(list(kept_messages(charted, None, chosen)))

    later = NOW + timedelta(seconds=1)
    assert (count(Choice(("ROSSI-MARIO",))), count(Choice(("P2",)))) == (2, 0)
    assert (count(Choice(since=NOW)), count(Choice(since=later)), count(Choice(until=NOW))) == (2, 0, 0)
    path = tmp_path / "own.ndjson.gz"
    command = ["export", "--with-names", "--patient", "ROSSI-MARIO", "--output", str(path)]
    assert CliRunner().invoke(main, command).exit_code == 0
    (stay,) = read_stays(path)
    assert stay.patient == "ROSSI-MARIO"

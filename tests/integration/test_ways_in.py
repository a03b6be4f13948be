"""Every way a message can come in, through real Redis, real prefork workers and a real receiver."""

import ast
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from celery import Celery

from alerts.message_json import read_message
from alerts.messages import Reading
from tests.support.hospital import Body, Hospital, crs2, eventually, reading, registration

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]

Way = Callable[[Hospital, list[str]], None]


@pytest.fixture(scope="module", autouse=True)
def _workers(hospital: Hospital) -> Iterator[None]:
    with hospital.workers():
        yield


# -- the ways --------------------------------------------------------------------------------------


def producer(hospital: Hospital) -> Celery:
    """Somebody else's Celery application, with default settings: it knows the broker and the name of a task."""
    return Celery("producer", broker=hospital.settings.broker, set_as_current=False)


def by_client(hospital: Hospital, texts: list[str]) -> None:
    hospital.client.send_raw([text.encode() for text in texts])


def by_celery_one_by_one(hospital: Hospital, texts: list[str]) -> None:
    with producer(hospital) as app:
        for text in texts:
            app.send_task("ingest", [as_object(text)])


def by_celery_in_a_list(hospital: Hospital, texts: list[str]) -> None:
    with producer(hospital) as app:
        app.send_task("ingest", [[as_object(text) for text in texts]])


def by_celery_to_its_queue(hospital: Hospital, texts: list[str]) -> None:
    with producer(hospital) as app:
        app.send_task("ingest", [texts], queue="ingest")


def by_the_example_of_the_documents(hospital: Hospital, texts: list[str]) -> None:
    """The example as it stands, but for its broker and its message."""
    document = (ROOT / "docs" / "integrators" / "celery.md").read_text(encoding="utf-8")
    example = next(
        block for block in re.findall(r"^```python\n(.*?)^```$", document, re.M | re.S) if "Celery(" in block
    )
    example = example.replace("redis://HOST:6379/1", hospital.settings.broker)
    head, result, sends = re.split(r"^result = (\{.*?^\})$", example, flags=re.M | re.S)
    assert isinstance(read_message(json.dumps(ast.literal_eval(result)).encode()), Reading)
    given: dict[str, object] = {}
    exec(head, given)  # noqa: S102 - our own document
    for text in texts:
        given["result"] = as_object(text)
        exec(sends.splitlines()[1], given)  # noqa: S102 - our own document
    given["producer"].close()  # type: ignore[attr-defined]


def by_stream(hospital: Hospital, texts: list[str]) -> None:
    for text in texts:
        hospital.redis.xadd(hospital.store.keys.of(patient_of(text)).inbox, {"m": text})


def by_command(hospital: Hospital, texts: list[str]) -> None:
    hospital.command("send", given="\n".join(texts) + "\n")


def as_object(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def patient_of(text: str) -> str:
    found = as_object(text)
    return str(found.get("patient", "")) if isinstance(found, dict) else ""


WAYS: dict[str, Way] = {
    "client": by_client,
    "celery, one by one": by_celery_one_by_one,
    "celery, in a list": by_celery_in_a_list,
    "celery, as text": by_celery_to_its_queue,
    "celery, by the example": by_the_example_of_the_documents,
    "stream": by_stream,
    "command": by_command,
}


@pytest.mark.parametrize("name", WAYS)
def test_a_feverish_and_hypotensive_patient_is_paged(hospital: Hospital, name: str) -> None:
    place = f"bed {list(WAYS).index(name)}"
    WAYS[name](hospital, [json.dumps(body) for body in crs2(place)])
    eventually(lambda: hospital.paged("CRS 2", place), f"the page for {place} arrives")


# -- bad messages ----------------------------------------------------------------------------------


def bad_messages(patient: str) -> dict[str, str]:
    """A bad message for each thing that can be wrong with one, as texts, by the reason that is to be given."""
    now = datetime.now(UTC)
    tomorrow = reading("temperature", "38.9", patient, now + timedelta(days=1))
    return {
        "not JSON": f'{{"patient": "{patient}"',
        "type: not one of": json.dumps(registration(patient, now) | {"type": "telegram"}),
        "unit is missing": json.dumps(reading("crp", 85, patient, now, unit=None)),
        "too large": json.dumps(reading("crp", "1e15", patient, now)),
        "lies in the future": json.dumps(tomorrow),
    }


def test_bad_messages_by_every_way_are_listed_with_their_reason_and_the_good_ones_among_them_count(
    hospital: Hospital,
) -> None:
    sent = {name: (f"bad {number}", f"stranger {number}") for number, name in enumerate(WAYS)}
    for name, (patient, stranger) in sent.items():
        unknown = json.dumps(reading("crp", 85, stranger, datetime.now(UTC)))
        good = [json.dumps(body) for body in crs2(patient)]
        WAYS[name](hospital, [good[0], *bad_messages(patient).values(), unknown, *good[1:]])
    for patient, stranger in sent.values():
        eventually(lambda place=patient: hospital.paged("CRS 2", place), f"the page for {patient} arrives")
        eventually(lambda other=stranger: other in hospital.store.unregistered(), f"{stranger} is listed")
    hospital.is_idle_soon()

    listed = hospital.command("dead-letters", "--json")
    assert (listed.returncode, listed.stderr) == (0, "")
    lines: list[Body] = [json.loads(line) for line in listed.stdout.splitlines()]
    for name, (patient, stranger) in sent.items():
        reasons = [line["why"] for line in lines if f'"{patient}"' in line.get("raw", "")]
        missing = [why for why in bad_messages(patient) if not any(why in reason for reason in reasons)]
        assert (missing, len(reasons)) == ([], len(bad_messages(patient))), f"by {name}: {reasons}"
        [unclaimed] = [line for line in lines if line["patient"] == stranger]
        assert (unclaimed["why"], unclaimed["count"]) == ("patient not registered", "1")


def test_bad_messages_reach_the_technician(hospital: Hospital) -> None:
    hospital.client.send_raw([b"{"], source="a mute monitor")
    eventually(
        lambda: any(event["condition"] == "intake a mute monitor" for event in hospital.events("page")),
        "a technical page is owed",
    )
    hospital.is_idle_soon()
    technical = [page for page in hospital.phone.received if page.path == "/phone-4"]
    assert technical
    assert not any("bad" in page.body or "stranger" in page.body for page in technical)


# -- afterwards ------------------------------------------------------------------------------------


def test_everything_owed_has_arrived_and_health_is_well(hospital: Hospital) -> None:
    hospital.is_idle_soon()
    hospital.every_page_owed_has_arrived()
    said = hospital.command("health")
    assert (said.returncode, said.stderr) == (0, "")
    assert "ILL" not in said.stdout


def test_an_acknowledgement_from_the_command_line_reaches_the_episode(hospital: Hospital) -> None:
    hospital.client.send(crs2("bed acknowledged"))
    eventually(lambda: hospital.paged("CRS 2", "bed acknowledged"), "the page arrives")
    [page] = [
        event
        for event in hospital.events("page")
        if (event["patient"], event["condition"]) == ("bed acknowledged", "crs")
    ]
    said = hospital.command("ack", page["episode"], "--by", "haematologist-1")
    assert said.returncode == 0
    eventually(
        lambda: page["episode"] in [event["episode"] for event in hospital.events("acknowledged")],
        "the episode is taken",
    )
    assert "haematologist-1" in hospital.command("board").stdout


def test_the_worker_s_log_names_no_patient(hospital: Hospital) -> None:
    said = hospital.log.read_text(encoding="utf-8")
    assert "celery@" in said
    for secret in ("bed ", "bad ", "stranger", "HAEM-2", "38.9"):
        assert secret not in said

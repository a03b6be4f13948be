"""`POST /fhir` and `POST /messages`."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from redis import Redis
from redis.exceptions import ConnectionError as StoreDown
from starlette.applications import Starlette

from config.intake import Intake
from tests.support.feeds import INTAKE, NOW, bundle, observation, quantity
from tests.support.stored_ward import KEYS, SITE, reading, registration
from tests.support.work import Clock
from worker.gateway.rate_limit import FailedAttempts
from worker.intake.budget import Budget
from worker.intake.endpoint import Endpoint
from worker.intake.http import routes
from worker.intake.source_keys import RememberedKeys, SourceKeys
from worker.intake.store import IntakeStore
from worker.intake.watched_config import IntakeConfig
from worker.runtime.bulkhead import Bulkhead
from worker.store.capacity import FULL
from worker.store.durable import NotCopiedError

FHIR = {"Content-Type": "application/fhir+json"}
JSON = {"Content-Type": "application/json"}


class Ward:
    """The routes with a store in memory, and a key of the source `monitor-7`."""

    def __init__(self, redis: Redis, intake: Intake = INTAKE, budget: Callable[[], Budget] = Budget) -> None:
        self.redis = redis
        self.store = IntakeStore(redis, KEYS)
        self.keys = SourceKeys(redis, KEYS)
        self.key = self.keys.add("monitor-7", NOW)
        self.woken: list[int] = []
        self.threads = Bulkhead(4)
        endpoint = Endpoint(
            self.store,
            RememberedKeys(self.keys, lambda: 0.0),
            FailedAttempts(lambda: 0.0),
            lambda: IntakeConfig(intake, SITE),
            lambda shards: self.woken.extend(shard.number for shard in shards),
            lambda: NOW,
            self.threads,
            largest=100_000,
            budget=budget,
        )
        self.app = Starlette(routes=routes(endpoint))

    def request(self, method: str, path: str, content: Any = None, headers: dict[str, str] | None = None) -> Any:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://ward") as client:
                return await client.request(method, path, content=content, headers=headers)

        return asyncio.run(ask())

    def post(self, path: str, body: Any, headers: dict[str, str]) -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("POST", path, content, {"Authorization": f"Bearer {self.key}", **headers})

    @property
    def waiting(self) -> int:
        return int(self.redis.xlen(KEYS.of("P1").inbox))


@pytest.fixture
def ward(redis: Redis) -> Ward:
    return Ward(redis)


def issues(answer: Any) -> str:
    assert answer.json()["resourceType"] == "OperationOutcome"
    return "; ".join(issue["diagnostics"] for issue in answer.json()["issue"])


@pytest.mark.parametrize("path", ["/fhir", "/messages"])
@pytest.mark.parametrize(
    "header",
    [{}, {"Authorization": "Bearer cw_000000000000_x"}, {"Authorization": "Basic eA=="}, {"Authorization": ""}],
)
def test_nobody_sends_without_a_key(ward: Ward, path: str, header: dict[str, str]) -> None:
    answer = ward.request("POST", path, b"{}", {**JSON, **header})
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert ward.waiting == 0


def wrong_key(number: int) -> dict[str, str]:
    return {**JSON, "Authorization": f"Bearer cw_{number:012x}_{'A' * 43}"}


def test_wrong_keys_are_slowed_down_and_a_right_one_of_the_same_address_is_not(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    monkeypatch.setattr(ward.keys, "read", lambda: [reads.append(1), SourceKeys(ward.redis, KEYS).read()][1])
    answers = [ward.request("POST", "/messages", b"{}", wrong_key(number)) for number in range(30)]
    assert [answer.status_code for answer in answers] == [401] * 20 + [429] * 10
    assert answers[-1].headers["Retry-After"] == "60"
    asked = len(reads)
    for number in range(30):
        assert ward.request("POST", "/messages", b"{}", wrong_key(number)).status_code == 429
    assert len(reads) == asked, "the keys as they are known do"
    assert ward.post("/messages", reading("crp", 85, unit="mg/L"), JSON).status_code == 202


def test_more_than_may_wait_is_to_be_sent_again(ward: Ward) -> None:
    ward.threads._queue = 0
    answer = ward.post("/messages", reading("crp", 85, unit="mg/L"), JSON)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "nothing was stored" in issues(answer)


def test_what_is_no_key_and_a_known_key_cost_the_store_no_look(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ward.post("/messages", reading("crp", 85, unit="mg/L"), JSON).status_code == 202

    def read() -> None:
        raise StoreDown

    monkeypatch.setattr(ward.keys, "read", read)
    assert ward.request("POST", "/messages", b"{}", {**JSON, "Authorization": "Bearer guess"}).status_code == 401
    assert ward.post("/messages", reading("crp", 85, unit="mg/L"), JSON).status_code == 202
    assert ward.request("POST", "/messages", b"{}", wrong_key(1)).status_code == 503


def test_a_key_is_known_at_once_and_a_revoked_one_for_two_seconds(redis: Redis) -> None:
    now = 0.0
    keys = SourceKeys(redis, KEYS)
    remembered = RememberedKeys(keys, lambda: now)

    def source_of(key: str) -> str | None:
        return asyncio.run(remembered.source_of(key))

    first = keys.add("lab", NOW)
    assert source_of(first) == "lab"
    second = keys.add("ehr", NOW)
    assert source_of(second) == "ehr"
    keys.revoke(first.split("_")[1])
    assert source_of(first) == "lab"
    now = 2.0
    assert source_of(first) is None


@pytest.mark.parametrize("path", ["/fhir", "/messages"])
def test_reading_is_not_offered(ward: Ward, path: str) -> None:
    assert ward.request("GET", path, headers={"Authorization": f"Bearer {ward.key}"}).status_code == 405


@pytest.mark.parametrize("path", ["/fhir", "/messages"])
@pytest.mark.parametrize("kind", ["text/plain", "application/xml", ""])
def test_another_content_is_refused(ward: Ward, path: str, kind: str) -> None:
    assert ward.post(path, b"{}", {"Content-Type": kind}).status_code == 415


@pytest.mark.parametrize("path", ["/fhir", "/messages"])
def test_a_body_has_its_bound_however_it_comes(ward: Ward, path: str) -> None:
    assert ward.post(path, b" " * 100_001, JSON).status_code == 413

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b" " * 10_000

    headers = {"Authorization": f"Bearer {ward.key}", **JSON}
    assert ward.request("POST", path, parts(), headers).status_code == 413


@pytest.mark.parametrize("path", ["/fhir", "/messages"])
@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"nonsense", b"[" * 50_000])
def test_what_is_not_json_is_said_to_be_so(ward: Ward, path: str, body: bytes) -> None:
    assert ward.post(path, body, JSON).status_code == 400


def test_a_resource_is_stored_before_it_is_created(ward: Ward) -> None:
    answer = ward.post("/fhir", observation(), FHIR)
    assert answer.status_code == 201
    assert (ward.waiting, ward.woken) == (1, [KEYS.of("P1").number])


@pytest.mark.parametrize(
    ("resource", "status", "says"),
    [
        (observation(value="many"), 422, "valueQuantity.value: write a JSON number"),
        (observation(effectiveDateTime=None), 202, "stored as a dead letter: time"),
        (observation("15074-8"), 200, "not mapped"),
    ],
)
def test_a_resource_that_is_not_stored_hears_why(ward: Ward, resource: Any, status: int, says: str) -> None:
    answer = ward.post("/fhir", resource, FHIR)
    assert answer.status_code == status
    assert says in issues(answer)


UNUSABLE = [
    ({"effectiveDateTime": "2030-06-15T12:00:00Z"}, {"effective": "2030-06-15T12:00:00Z"}, "in the future"),
    ({"valueQuantity": quantity(85, "furlong")}, {"unit": "furlong"}, "furlong"),
    ({"valueQuantity": quantity(99999, "mg/L")}, {"value": 99999}, "not plausible"),
]


@pytest.mark.parametrize(("fhir", "native", "why"), UNUSABLE)
def test_what_will_not_be_used_is_known_when_it_comes_in(
    ward: Ward, fhir: dict[str, Any], native: dict[str, Any], why: str
) -> None:
    answer = ward.post("/fhir", observation(**fhir), FHIR)
    assert (answer.status_code, why in issues(answer)) == (202, True), issues(answer)
    answer = ward.post("/messages", [reading("crp", 85), reading("crp", 86) | native], JSON)
    assert (answer.status_code, why in issues(answer)) == (202, True), issues(answer)
    assert answer.json()["issue"][0]["expression"] == ["[1]"]
    assert "2 of 2 accepted, 1 of them not used" in issues(answer)
    assert ward.waiting == 3


def test_of_a_bundle_each_entry_that_will_not_be_used_hears_why(ward: Ward) -> None:
    entries = [observation(id=f"o{number}", **fhir) for number, (fhir, _, _) in enumerate(UNUSABLE)]
    body = ward.post("/fhir", bundle(observation(id="good"), *entries), FHIR).json()
    assert [entry["response"]["status"][:3] for entry in body["entry"]] == ["201", "202", "202", "202"]


def test_a_bundle_is_answered_entry_by_entry_in_order(ward: Ward) -> None:
    entries = [observation(id=f"o{number}") for number in range(199)]
    entries.insert(7, observation(id="bad", value="many"))
    answer = ward.post("/fhir", bundle(*entries, kind="batch"), FHIR)
    body = answer.json()
    assert (answer.status_code, body["type"], len(body["entry"])) == (200, "batch-response", 200)
    bad = [index for index, entry in enumerate(body["entry"]) if entry["response"]["status"].startswith("422")]
    assert bad == [7]
    assert "valueQuantity.value" in body["entry"][7]["response"]["outcome"]["issue"][0]["diagnostics"]
    assert ward.waiting == 199


def test_native_messages_one_a_list_or_lines(ward: Ward) -> None:
    one, other = reading("crp", 85), reading("crp", 86)
    lines = b"\n".join(json.dumps(body).encode() for body in (one, other))
    assert ward.post("/messages", one, JSON).status_code == 202
    assert ward.post("/messages", [one, other], JSON).status_code == 202
    assert ward.post("/messages", lines, {"Content-Type": "application/x-ndjson"}).status_code == 202
    assert ward.waiting == 5


def test_a_bad_message_is_named_and_its_neighbours_are_stored(ward: Ward) -> None:
    answer = ward.post("/messages", [reading("crp", 85), {"type": "reading"}, reading("crp", 86)], JSON)
    assert answer.status_code == 422
    assert answer.json()["issue"][0]["expression"] == ["[1]"]
    assert "2 of 3 accepted" in issues(answer)
    assert ward.waiting == 2


def test_a_native_waveform_is_refused_with_its_reason_and_its_neighbours_are_stored(ward: Ward) -> None:
    beats = [reading("heart_rate", 80) | {"effective": f"2024-06-14T06:00:00.{beat:03}Z"} for beat in range(100)]
    answer = ward.post("/messages", [*beats, reading("crp", 85)], JSON)
    assert answer.status_code == 422
    assert "effective: more than 10 values a second, and a waveform is not charted" in issues(answer)
    assert "11 of 101 accepted" in issues(answer)
    assert ward.waiting == 11


def test_a_waveform_of_fhir_is_refused_entry_by_entry(ward: Ward) -> None:
    beats = [observation(id=f"o{beat}", effectiveDateTime=f"2024-06-14T06:00:00.{beat:03}Z") for beat in range(30)]
    body = ward.post("/fhir", bundle(*beats), FHIR).json()
    assert [entry["response"]["status"][:3] for entry in body["entry"]] == ["201"] * 10 + ["422"] * 20
    assert "a waveform is not charted" in body["entry"][10]["response"]["outcome"]["issue"][0]["diagnostics"]
    assert ward.waiting == 10


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (registration(), "source: 'ehr', and the key is of 'monitor-7'"),
        (reading("crp", 85, "~site"), "reserved"),
        ({"type": "fault", "condition": "x", "what": "y"}, "written by cartwatch alone"),
        ({"type": "receipt", "page": "x", "channel": "y", "outcome": "sent"}, "written by cartwatch alone"),
    ],
)
def test_a_source_speaks_for_itself_alone(ward: Ward, body: dict[str, Any], says: str) -> None:
    common = {"id": "1", "source": "monitor-7", "patient": "P1", "effective": NOW.isoformat()}
    answer = ward.post("/messages", common | body, JSON)
    assert (answer.status_code, ward.waiting) == (422, 0)
    assert says in issues(answer)


@pytest.mark.parametrize(("path", "body"), [("/fhir", observation()), ("/messages", reading("crp", 85))])
def test_a_store_that_is_down_accepts_nothing_and_asks_for_another_try(
    ward: Ward, path: str, body: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: Any, **__: Any) -> Any:
        raise StoreDown("no store")

    monkeypatch.setattr(ward.redis, "pipeline", down)
    answer = ward.post(path, body, JSON)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


@pytest.mark.parametrize(("path", "body"), [("/fhir", observation()), ("/messages", reading("crp", 85))])
def test_what_too_few_machines_have_is_not_accepted(
    ward: Ward, path: str, body: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def accepting(redis: Redis) -> Any:
        pipe = redis.pipeline(transaction=True)

        def execute() -> Any:
            raise NotCopiedError(1, 2)

        monkeypatch.setattr(pipe, "execute", execute)
        return pipe

    monkeypatch.setattr("worker.intake.store.accepting", accepting)
    answer = ward.post(path, body, JSON)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "too few machines" in issues(answer)


@pytest.mark.parametrize(("path", "body"), [("/fhir", observation()), ("/messages", reading("crp", 85))])
def test_a_store_of_another_number_of_shards_accepts_nothing(ward: Ward, path: str, body: Any) -> None:
    ward.redis.set(KEYS.shard_count, KEYS.shards + 1)
    answer = ward.post(path, body, JSON)
    assert (answer.status_code, answer.headers["Retry-After"], ward.waiting) == (503, "5", 0)
    assert "nothing was stored" in issues(answer)


SLEEPY = observation("67775-7", id="s", valueQuantity=None, valueString="sleepy")


@pytest.fixture
def full(ward: Ward, memory: Callable[[int, int], None]) -> Ward:
    """The store has no room for more than is owed."""
    memory(90, 100)
    return ward


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/fhir", observation(), FHIR),
        ("/fhir", SLEEPY, FHIR),
        ("/fhir", bundle(observation(), SLEEPY), FHIR),
        ("/messages", reading("crp", 85), JSON),
    ],
)
def test_a_store_that_is_nearly_full_takes_nothing_and_says_why(full: Ward, path: str, body: Any, kind: Any) -> None:
    answer = full.post(path, body, kind)
    assert (answer.status_code, answer.headers["Retry-After"], issues(answer)) == (503, "5", FULL)
    assert full.waiting == 0


def test_with_room_the_chart_sets_it_aside(ward: Ward) -> None:
    assert ward.post("/messages", reading("crp", 85) | {"unit": "furlong"}, JSON).status_code == 202


@pytest.mark.parametrize("budget", [lambda: Budget(seconds=5, timer=Clock()), lambda: Budget(results=50)])
def test_a_body_that_costs_too_much_is_ended_and_nothing_of_it_stored(redis: Redis, budget: Any) -> None:
    ward = Ward(redis, budget=budget)
    answer = ward.post("/fhir", bundle(*(observation(id=f"o{at}") for at in range(60))), FHIR)
    assert answer.status_code == 413
    assert "send it in parts; nothing was stored" in issues(answer)
    assert ward.waiting == 0
    assert ward.post("/fhir", observation(), FHIR).status_code == 201


def test_native_messages_that_cost_too_much_are_ended_as_well(redis: Redis) -> None:
    ward = Ward(redis, budget=lambda: Budget(seconds=5, timer=Clock()))
    assert ward.post("/messages", [reading("crp", 85)] * 400, JSON).status_code == 413
    assert ward.waiting == 0


@pytest.mark.parametrize("kind", ["application/json", "application/x-ndjson"])
def test_more_messages_than_a_request_holds_are_refused_without_reading_them(
    ward: Ward, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.intake.native.read_message", lambda _: pytest.fail("it is not read"))
    body = b"[" + b",".join([b"1"] * 10_001) + b"]" if kind == "application/json" else b"1\n" * 10_001
    answer = ward.post("/messages", body, {"Content-Type": kind})
    assert (answer.status_code, issues(answer)) == (413, "at most 10000 messages a request")


def test_one_native_message_is_short_and_its_answer_names_few_of_its_troubles(ward: Ward) -> None:
    long = ward.post("/messages", reading("crp", 85) | {f"f{at}": 1 for at in range(6_000)}, JSON)
    assert (long.status_code, issues(long).count("message has at most 65536 bytes")) == (422, 1)
    many = ward.post("/messages", reading("crp", 85) | {f"f{at}": 1 for at in range(3_000)}, JSON)
    assert many.status_code == 422
    assert len(many.content) < 4_000

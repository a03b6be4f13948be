"""CDS Hooks: the card at chart open, who may ask for it, and that nothing done with it acknowledges anything."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jsonschema import Draft202012Validator
from redis import Redis

from config.problems import ConfigurationError
from tests.support.desk import ADDRESS, PERSON, Desk
from tests.support.stored_ward import KEYS, Clock, everything, reading, waiting
from worker.gateway.cds_token import CdsClients
from worker.gateway.rate_limit import TRIES
from worker.store.shard import Store

ISSUER = "https://ehr.example/issuer"
SERVICE = "/cds-services/cartwatch-toxicity"
KEY = ec.generate_private_key(ec.SECP384R1())
OTHER_KEY = ec.generate_private_key(ec.SECP384R1())

CARD = Draft202012Validator(
    {
        "type": "object",
        "required": ["uuid", "summary", "indicator", "source"],
        "properties": {
            "summary": {"type": "string", "maxLength": 139},
            "indicator": {"enum": ["info", "warning", "critical"]},
            "source": {"type": "object", "required": ["label"]},
            "overrideReasons": {"items": {"required": ["code", "system", "display"]}},
            "links": {"items": {"required": ["label", "url", "type"], "properties": {"type": {"const": "absolute"}}}},
            "suggestions": False,
        },
    }
)


def public_keys(key: ec.EllipticCurvePrivateKey = KEY) -> dict[str, Any]:
    """The keys of the client, as it publishes them."""
    found = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
    return {"keys": [found | {"kid": "k1", "use": "sig", "alg": "ES384"}]}


@pytest.fixture
def clients(tmp_path: Path) -> Path:
    (tmp_path / "ehr.json").write_text(json.dumps(public_keys()), encoding="utf-8")
    path = tmp_path / "clients.json"
    path.write_text(json.dumps({ISSUER: "ehr.json"}), encoding="utf-8")
    return path


@pytest.fixture
def desk(redis: Redis, store: Store, clock: Clock, clients: Path) -> Iterator[Desk]:
    with Desk(redis, store, clock, cds_clients=clients, fhir_system="urn:hospital") as made:
        yield made


_number = iter(range(10_000))


def token(
    desk: Desk, key: Any = KEY, algorithm: str = "ES384", headers: dict[str, Any] | None = None, **claims: Any
) -> str:
    now = int(desk.clock.now().timestamp())
    body = {"iss": ISSUER, "aud": f"{ADDRESS}{SERVICE}", "iat": now, "exp": now + 300, "jti": str(next(_number))}
    body = {name: value for name, value in (body | claims).items() if value is not None}
    return jwt.encode(body, key, algorithm=algorithm, headers={"kid": "k1", **(headers or {})})


def post(desk: Desk, body: Any, path: str = SERVICE, bearer: str | None = None, **headers: str) -> httpx.Response:
    authorization = f"Bearer {token(desk) if bearer is None else bearer}"
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"authorization": authorization, "content-type": "application/json", **headers}
    return desk.browser.request("POST", path, content=content, headers=named)


def call(patient: str = "P1", system: str = "urn:hospital", **identifier: Any) -> dict[str, Any]:
    known = {
        "resourceType": "Patient",
        "id": "ehr-1",
        "identifier": [{"system": system, "value": patient, **identifier}],
    }
    return {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/1", "patientId": "ehr-1"},
        "prefetch": {"patient": known},
    }


def cards(desk: Desk, *arguments: Any, **more: Any) -> list[dict[str, Any]]:
    answer = post(desk, call(*arguments, **more))
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["cards"]
    for one in found:
        CARD.validate(one)
    return found


def test_the_service_is_found(desk: Desk) -> None:
    (service,) = desk.get("/cds-services").json()["services"]
    assert (service["hook"], service["id"]) == ("patient-view", "cartwatch-toxicity")
    assert service["prefetch"] == {"patient": "Patient/{{context.patientId}}"}
    assert {"title", "description", "usageRequirements"} < service.keys()


def test_a_card_says_what_is_open_and_who_has_it(desk: Desk) -> None:
    episode = desk.fall_ill()
    (card,) = cards(desk)
    assert card["summary"] == (
        "D+2 CRS grade 2: fever plus hypotension; Nobody has it yet (paged: Haematologist on call)"
    )
    assert card["indicator"] == "critical"
    assert "temperature 38.9 °C" in card["detail"]
    assert "not a medical device" in card["detail"]
    (link,) = card["links"]
    assert link["url"] == f"{ADDRESS}/board/patient/{desk.links.opaque('P1')}"
    body = {"type": "acknowledgement", "id": "a1", "source": "gateway", "patient": "P1", "by": PERSON}
    desk.send(body | {"episode": episode.id, "effective": desk.clock.now().isoformat()})
    assert "Haematologist on call has it since 10:00" in cards(desk)[0]["summary"]


def test_the_most_urgent_comes_first_and_the_others_are_counted(desk: Desk) -> None:
    desk.fall_ill()
    desk.send(reading("ice", 2, at=desk.clock.now()))
    (card,) = cards(desk)
    assert "ICANS" in card["summary"]
    assert "+1" in card["summary"]
    assert card["source"]["topic"]["code"] == "icans"
    assert "CRS grade 2" in card["detail"]


@pytest.mark.parametrize(
    "more",
    [
        {"patient": "nobody"},
        {"patient": "~site"},
        {"patient": ""},
        {"system": "urn:elsewhere"},
        {"type": {"coding": [{"code": "VN"}]}},
        {"use": "old"},
    ],
)
def test_an_unknown_patient_has_no_card(desk: Desk, more: dict[str, Any]) -> None:
    desk.fall_ill()
    assert cards(desk, **more) == []


def test_a_patient_with_nothing_open_has_no_card(desk: Desk) -> None:
    desk.send(reading("temperature", "36.8", at=desk.clock.now()))
    assert cards(desk) == []


def test_identifiers_of_two_patients_show_nobody(desk: Desk) -> None:
    desk.fall_ill("P1")
    desk.fall_ill("P2")
    both = call()
    both["prefetch"]["patient"]["identifier"].append({"system": "urn:hospital", "value": "P2"})
    assert post(desk, both).json() == {"cards": []}


def test_in_the_language_that_is_asked_for(desk: Desk) -> None:
    desk.fall_ill()
    answer = post(desk, call(), **{"accept-language": "it-IT,it;q=0.9"})
    assert "Nessuno" in answer.json()["cards"][0]["summary"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        ({"hook": "order-select", "prefetch": {"patient": {}}}, 400),
        ({"hook": "patient-view"}, 412),
        ({"hook": "patient-view", "prefetch": {"patient": None}}, 412),
        (b" " * 1_100_000, 413),
    ],
)
def test_a_call_that_cannot_be_answered(desk: Desk, body: Any, status: int) -> None:
    answer = post(desk, body)
    assert answer.status_code == status
    assert "error" in answer.json()


@pytest.mark.parametrize("identifier", [None, "x", [None, 1, {"value": 5}, {"type": "x"}, {"type": {"coding": [1]}}]])
def test_a_patient_of_any_form(desk: Desk, identifier: Any) -> None:
    strange = call()
    strange["prefetch"]["patient"]["identifier"] = identifier
    assert post(desk, strange).json() == {"cards": []}


def test_to_look_changes_nothing(desk: Desk) -> None:
    desk.fall_ill()
    before = everything(desk.redis)
    cards(desk)
    after = everything(desk.redis)
    assert {name: value for name, value in after.items() if b":cds_" not in name} == before


# -- who may ask ---------------------------------------------------------------------------------------


def shared_secret(desk: Desk) -> str:
    return token(desk, key="a secret of thirty-two characters or more", algorithm="HS256")


def unsigned(desk: Desk) -> str:
    return token(desk, key=None, algorithm="none")


@pytest.mark.parametrize(
    "made",
    [
        lambda _: "",
        lambda _: "x.y.z",
        lambda desk: token(desk, OTHER_KEY),
        lambda desk: token(desk, iss="https://elsewhere.example"),
        lambda desk: token(desk, iss=None),
        lambda desk: token(desk, aud="https://elsewhere.example/cds-services/cartwatch-toxicity"),
        lambda desk: token(desk, aud=None),
        lambda desk: token(desk, exp=int((desk.clock.now() - timedelta(minutes=2)).timestamp())),
        lambda desk: token(desk, exp=int((desk.clock.now() + timedelta(days=1)).timestamp())),
        lambda desk: token(desk, iat=int((desk.clock.now() + timedelta(minutes=2)).timestamp())),
        lambda desk: token(desk, jti=None),
        lambda desk: token(desk, headers={"kid": "k2"}),
        lambda desk: token(desk, headers={"jku": "https://elsewhere.example/keys.json"}),
        shared_secret,
        unsigned,
    ],
)
@pytest.mark.parametrize("path", [SERVICE, f"{SERVICE}/feedback"])
def test_a_token_that_proves_nothing(desk: Desk, made: Any, path: str) -> None:
    desk.fall_ill()
    assert post(desk, call(), path, made(desk)).status_code == 401


def test_a_token_counts_once(desk: Desk) -> None:
    used = token(desk)
    assert [post(desk, call(), bearer=used).status_code for _ in range(2)] == [200, 401]


def test_wrong_tokens_are_counted(desk: Desk) -> None:
    statuses = [post(desk, call(), bearer="x").status_code for _ in range(TRIES + 1)]
    assert statuses == [401] * TRIES + [429]
    assert post(desk, call()).status_code == 200, "a right one is always accepted"


def test_keys_at_an_address_are_fetched_once(
    redis: Redis, store: Store, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []

    def fetch(client: jwt.PyJWKClient) -> Any:
        fetched.append(client.uri)
        keys = public_keys()
        assert client.jwk_set_cache is not None
        client.jwk_set_cache.put(keys)
        return keys

    monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", fetch)
    path = tmp_path / "clients.json"
    path.write_text(json.dumps({ISSUER: "https://ehr.example/jwks.json"}), encoding="utf-8")
    with Desk(redis, store, clock, cds_clients=path) as desk:
        for _ in range(2):
            named = token(desk, headers={"jku": "https://ehr.example/jwks.json"})
            assert post(desk, call(), bearer=named).status_code == 200
    assert fetched == ["https://ehr.example/jwks.json"]


def test_without_a_client_there_is_no_service(redis: Redis, store: Store, clock: Clock) -> None:
    with Desk(redis, store, clock) as bare:
        assert bare.get("/cds-services").status_code == 404


@pytest.mark.parametrize("text", ["{", "[]", '{"x": 1}'])
def test_a_file_of_clients_that_cannot_be_used(tmp_path: Path, text: str) -> None:
    path = tmp_path / "clients.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"clients\.json"):
        CdsClients(path)


# -- what becomes of a card --------------------------------------------------------------------------------


def feedback(card: dict[str, Any], **more: Any) -> dict[str, Any]:
    reason = {"reason": {"code": "in-hand", "system": "urn:cartwatch:closure"}, "userComment": "dexamethasone given"}
    return {"feedback": [{"card": card["uuid"], "outcome": "overridden", "overrideReason": reason, **more}]}


def notes(desk: Desk) -> list[dict[str, Any]]:
    return [json.loads(fields[b"m"]) for _, fields in desk.store.stream(KEYS.of("P1").inbox)]


def test_feedback_is_a_note_in_the_journal_and_acknowledges_nothing(desk: Desk) -> None:
    desk.fall_ill()
    (card,) = cards(desk)
    assert post(desk, feedback(card), f"{SERVICE}/feedback").status_code == 200
    (note,) = notes(desk)
    assert (note["type"], note["source"], note["by"]) == ("note", "cds-hooks", ISSUER)
    assert note["text"] == "CDS card overridden: Known, already being treated: dexamethasone given"
    desk.work()
    assert desk.crs().acknowledged_by == ""
    assert desk.crs().next_at is not None


@pytest.mark.parametrize(
    "body",
    [
        {"feedback": [{"card": "4b8f1b0e-6d6a-4d7e-9a55-8f1b5d1f0a01", "outcome": "overridden"}]},
        {"feedback": [{"card": 1, "outcome": "overridden"}, None, 5]},
        {"feedback": []},
    ],
)
def test_feedback_on_no_card_of_ours(desk: Desk, body: dict[str, Any]) -> None:
    assert post(desk, body, f"{SERVICE}/feedback").status_code == 200
    assert waiting(desk.store) == 0


def test_feedback_of_any_form(desk: Desk) -> None:
    desk.fall_ill()
    (card,) = cards(desk)
    for more in (
        {"overrideReason": "x"},
        {"overrideReason": {"reason": 1}},
        {"outcomeTimestamp": "x"},
        {"outcome": "?"},
    ):
        assert post(desk, feedback(card, **more), f"{SERVICE}/feedback").status_code == 200
    assert post(desk, {"feedback": "x"}, f"{SERVICE}/feedback").status_code == 400
    assert len(notes(desk)) == 3

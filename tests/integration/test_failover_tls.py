"""The servers of a store and its Sentinels speak TLS, with certificates of the house."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from redis.exceptions import ConnectionError as StoreConnectionError
from redis.exceptions import RedisError

from tests.support.hospital import Hospital, crs2
from tests.support.sentinels import Sentinels, wait_until
from worker.runtime.runtime import connect
from worker.standalone.embedded_redis import find_server
from worker.standalone.fake_phone import FakePhone

pytestmark = pytest.mark.server


def speaks_tls(server: str) -> bool:
    """Whether a server was built with TLS: without a certificate it ends either way, and says why."""
    ended = subprocess.run([server, "--port", "0", "--tls-port", "1"], capture_output=True, text=True, check=False)  # noqa: S603
    return "No tls-cert-file" in ended.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The certificate of each server, and that of the authority."""
    house = trustme.CA()
    made = house.issue_cert("127.0.0.1")
    made.private_key_pem.write_to_path(tmp_path / "key.pem")
    made.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    house.cert_pem.write_to_path(tmp_path / "ca.pem")
    return tmp_path


@pytest.fixture
def sentinels(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sentinels]:
    servers = [*(find_server() or ()), *filter(None, map(shutil.which, ("redis-server", "valkey-server")))]
    speaking = next(filter(speaks_tls, servers), None)
    if speaking is None:
        pytest.skip("no Redis or Valkey on this machine was built with TLS")
    monkeypatch.setenv("CARTWATCH_REDIS_SERVER", speaking)
    with Sentinels(folder / "servers", certificates=folder) as made:
        yield made


def test_a_patient_is_paged_over_tls_before_and_after_a_failover(sentinels: Sentinels, folder: Path) -> None:
    with FakePhone() as phone:
        hospital = Hospital(sentinels.url, sentinels.broker_url, phone, folder / "hospital", "tls")
        with hospital.workers() as worker:
            becomes_ill(hospital, "before")
            old = sentinels.primary()
            old.kill()
            wait_until(lambda: sentinels.primary() is not old, "another server is the primary")
            becomes_ill(hospital, "after")
            assert worker.starts == 1
        hospital.close()


def becomes_ill(hospital: Hospital, patient: str) -> None:
    """Send until it is accepted, then wait for the page."""

    def accepted() -> bool:
        try:
            return hospital.client.send(crs2(patient)) == 3
        except RedisError:
            return False

    wait_until(accepted, "the messages are accepted")
    wait_until(lambda: hospital.paged("CRS 2", patient), "the page arrives")


def test_a_server_with_another_authority_is_not_spoken_to(sentinels: Sentinels, folder: Path) -> None:
    trustme.CA().cert_pem.write_to_path(folder / "ca.pem")
    with connect(sentinels.url) as client, pytest.raises(StoreConnectionError):
        client.ping()

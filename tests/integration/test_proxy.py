"""The proxy of the profile `tls`, with the configuration that is shipped, before two gateways of which one dies."""

import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import trustme

from tests.support.hospital import Hospital, eventually
from tests.support.servers import free_port
from worker.links import links_of

pytestmark = pytest.mark.server

CONFIGURATION = Path("config/containers/haproxy.cfg")


class Proxy:
    """HAProxy before two gateways, each a process."""

    def __init__(self, stack: ExitStack, hospital: Hospital, folder: Path) -> None:
        house = trustme.CA()
        house.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "tls.pem")
        self.trusts = ssl.create_default_context()
        house.configure_trust(self.trusts)
        port, health, *ports = (free_port() for _ in range(4))
        self.address = f"https://127.0.0.1:{port}"
        hospital.settings = hospital.settings.model_copy(update={"public_url": self.address})
        self.gateways = [self._start(stack, hospital, self._gateway(port)) for port in ports]
        for one in ports:
            eventually(lambda port=one: self._status(f"http://127.0.0.1:{port}/healthz"), "the gateway answers")
        text = CONFIGURATION.read_text(encoding="utf-8")
        for shipped, here in {
            ":8443": f"127.0.0.1:{port}",
            "127.0.0.1:8404": f"127.0.0.1:{health}",
            "/run/secrets/cartwatch_tls.pem": str(folder / "tls.pem"),
            "gateway:8080": f"127.0.0.1:{ports[0]}",
            "gateway-2:8080": f"127.0.0.1:{ports[1]}",
        }.items():
            assert f" {shipped}" in text
            text = text.replace(f" {shipped}", f" {here}")
        (folder / "haproxy.cfg").write_text(text, encoding="utf-8")
        proxy = shutil.which("haproxy")
        if proxy is None:
            pytest.skip("haproxy is not on this machine")
        self._start(stack, hospital, [proxy, "-f", str(folder / "haproxy.cfg")])
        # Of itself the proxy answers 503.
        eventually(lambda: 0 < self._status(f"{self.address}/board") < 500, "a gateway answers through the proxy")

    def _start(self, stack: ExitStack, hospital: Hospital, command: list[str]) -> "subprocess.Popen[bytes]":
        with hospital.log.open("ab") as log:
            process = subprocess.Popen(command, env=hospital.environment(), stdout=log, stderr=log)  # noqa: S603
        stack.callback(process.wait, 10)
        stack.callback(process.kill)
        return process

    def _gateway(self, port: int) -> list[str]:
        return [sys.executable, "-m", "worker.cli", "gateway", "--port", str(port), "--behind-proxy"]

    def client(self) -> httpx.Client:
        """A phone that knows the authority of the house."""
        return httpx.Client(base_url=self.address, verify=self.trusts, timeout=10)

    def _status(self, url: str) -> int:
        try:
            return httpx.get(url, verify=self.trusts).status_code
        except httpx.TransportError:
            return 0


@pytest.fixture
def proxy(hospital: Hospital, tmp_path: Path) -> Iterator[Proxy]:
    with ExitStack() as stack:
        yield Proxy(stack, hospital, tmp_path)


def test_a_session_and_a_link_are_valid_at_either_gateway_and_outlive_one(hospital: Hospital, proxy: Proxy) -> None:
    links = links_of(hospital.redis, hospital.store.keys, hospital.settings, proxy.address)
    with proxy.client() as http:
        path = links.sign_in("haematologist-1", datetime.now(UTC)).removeprefix(proxy.address)
        assert http.post(path, data={"": ""}).status_code == 303
        assert {http.get("/board").status_code for _ in range(6)} == {200}
        first, _ = proxy.gateways
        first.kill()
        first.wait(10)
        assert {http.get("/board").status_code for _ in range(6)} == {200}

"""The processes that ours is measured beside: bare Celery, a phone for all, and Alertmanager where it is installed."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from http.client import HTTPConnection
from typing import Any

import yaml
from harness import HERE, Ground, eventually
from plain import app

from worker.standalone.child_process import die_with_parent
from worker.standalone.supervisor import Supervised

ALERTMANAGER = "prometheus-alertmanager"
NOT_INSTALLED = f"{ALERTMANAGER} is not installed: not shown beside"
PATHS = os.pathsep.join([os.environ.get("PATH", ""), "/usr/bin", "/usr/local/bin"])


class Phone:
    """Where every page goes, whoever sends it."""

    def __init__(self, ground: Ground) -> None:
        command = [sys.executable, str(HERE / "sink.py")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, preexec_fn=die_with_parent())  # noqa: S603
        ground.keep(lambda: _end(process))
        assert process.stdout is not None
        self.port = int(process.stdout.readline())

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}/page"

    def taken(self) -> tuple[dict[str, float], int]:
        """When each bed was first named, and how many requests there were."""
        body = json.loads(self._get("taken"))
        return body["taken"], body["requests"]

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=10) as answer:
            body: bytes = answer.read()
        return body


class Plain:
    """Bare Celery on the same Redis: Celery's own defaults, but that nobody asks for results."""

    def __init__(self, ground: Ground, name: str, phone: str = "", broker: str = "") -> None:
        self._ground, self._name = ground, name
        self._broker = broker or ground.database()
        self._environment = {"PLAIN_BROKER": self._broker, "PLAIN_PHONE": phone, "PYTHONPATH": str(HERE)}
        self._redis = ground.client(self._broker)
        self._connection = app.connection_for_write(self._broker)
        self._producer = app.amqp.Producer(self._connection)
        ground.keep(self._connection.close)

    def work(self, queue: str, processes: int, pool: str = "prefork") -> Supervised:
        """A worker of a queue."""
        options = ["--concurrency", str(processes), "--pool", pool, "--queues", queue, "--loglevel", "WARNING"]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        command = [sys.executable, "-m", "celery", "--app", "plain", "worker", *options, *quiet]
        return self._ground.run(f"{self._name}-{queue}", command, self._environment)

    def send(self, task: str, bodies: Sequence[dict[str, Any]]) -> None:
        """Publish tasks, on a connection that stays open, as our client does."""
        for body in bodies:
            app.send_task(task, (body,), producer=self._producer)

    def idle(self, *queues: str) -> bool:
        """Whether nothing waits and nothing is under way."""
        pipe = self._redis.pipeline(transaction=False)
        for queue in queues:
            pipe.llen(queue)
        pipe.hlen("unacked")
        return not any(pipe.execute())


class Alertmanager:
    """Each alert a group of its own, notified at once."""

    def __init__(self, ground: Ground, phone: Phone) -> None:
        folder = ground.folder / "alertmanager"
        folder.mkdir()
        receiver = {"name": "phone", "webhook_configs": [{"url": phone.url, "send_resolved": False, "max_alerts": 0}]}
        waits = {"group_wait": "0s", "group_interval": "5m", "repeat_interval": "4h"}
        route = {"receiver": "phone", "group_by": ["..."], **waits}
        (folder / "alertmanager.yml").write_text(yaml.safe_dump({"route": route, "receivers": [receiver]}))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [
            str(shutil.which(ALERTMANAGER, path=PATHS)),
            *(f"--config.file={folder / 'alertmanager.yml'}", f"--storage.path={folder / 'data'}"),
            *(f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address=", "--log.level=error"),
        ]
        ground.run("alertmanager", command, {})
        eventually(self._answers, "Alertmanager answers", every=0.1)
        self._connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        ground.keep(self._connection.close)

    @staticmethod
    def is_installed() -> bool:
        """Whether it can be measured here."""
        return shutil.which(ALERTMANAGER, path=PATHS) is not None

    def post(self, bed: str) -> None:
        """Raise one alert."""
        alert = {"labels": {"alertname": "fever", "bed": bed}, "annotations": {"summary": f"fever, bed {bed}"}}
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", "/api/v2/alerts", json.dumps([alert]), headers)
        answer = self._connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"Alertmanager answered {answer.status}")

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=1):
                return True
        except OSError:
            return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
    assert process.stdout is not None
    process.stdout.close()


def wait_for(phone: Phone, beds: Sequence[str], within: float = 60.0) -> dict[str, float]:
    """When each bed was named, once all of these were, or when the time is up."""
    deadline, wanted = time.monotonic() + within, set(beds)
    while not wanted <= phone.taken()[0].keys() and time.monotonic() < deadline:
        time.sleep(0.2)
    return phone.taken()[0]

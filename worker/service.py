"""The live service in the foreground: a store, workers that are kept running, and somewhere for pages to go."""

import json
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from config.settings import Settings
from config.site import load_site
from worker.checks.channels import RECEIVER
from worker.embedded import EmbeddedRedis
from worker.fitness import refuse_unfit
from worker.gateway import HOST, PORT
from worker.receiver import Received, Receiver
from worker.replay import environment_of
from worker.runtime import connect, keys_of
from worker.supervisor import Supervised, worker_command

DELIVERS = {"deliver": 4, "deliver_urgent": 4, "picture": 1}
"""Processes for each queue of what waits for the outside world."""

EXPORTS = 1
"""Processes that tell the record system, where one is configured."""


MLLP_COMMAND = [sys.executable, "-m", "worker.intake.mllp"]
"""The command line of the process that takes HL7 on every listener."""


def card_path() -> Path:
    """Where a service started by this user says how it is reached."""
    folder = os.environ.get("XDG_RUNTIME_DIR") or os.path.join(tempfile.gettempdir(), f"cartwatch-{os.getuid()}")
    return Path(folder) / "cartwatch-service.json"


def _write_card(settings: Settings) -> Path:
    """Readable by this user only, as it holds the store's password; in its place only when it is whole."""
    path = card_path()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.parent.stat().st_uid != os.getuid():
        raise PermissionError(f"{path.parent} belongs to another user")
    card = {"redis_url": settings.redis_url, "broker_url": settings.broker, "public_url": settings.public_url}
    card["fhir_base"] = settings.fhir_base
    body = json.dumps({"pid": os.getpid(), **card, "namespace": settings.namespace, "shards": settings.shards})
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False) as file:
        file.write(body)
    os.replace(file.name, path)
    return path


def _remove_card(path: Path) -> None:
    """Unless another service of this user has put its own there meanwhile."""
    with suppress(OSError, ValueError):
        if json.loads(path.read_text())["pid"] == os.getpid():
            path.unlink()


def find_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of a command: from the environment, else those of the service this user runs."""
    if "CARTWATCH_REDIS_URL" in environment:
        return Settings()
    return _read_card() or Settings()


def _read_card() -> Settings | None:
    path = card_path()
    try:
        if path.stat().st_uid != os.getuid():
            return None
        card: dict[str, Any] = json.loads(path.read_text())
        os.kill(card.pop("pid"), 0)
        return Settings(**card)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def serve(
    *,
    data: Path | None,
    processes: int,
    listens: bool,
    say: Callable[[str], None],
    on_page: Callable[[Received], None],
    stop: threading.Event,
) -> None:
    """Run until `stop` is set: embedded, or against CARTWATCH_REDIS_URL where that is given.

    `listens`: the configuration names listeners of MLLP.
    """
    with ExitStack() as stack:
        settings = _with_store(stack, data, say)
        with connect(settings.redis_url) as redis:
            refuse_unfit(redis, keys_of(settings), settings)
        settings = _with_receiver(stack, settings, say, on_page)
        port = _gateway_port()
        settings = _with_address(settings, port, say)
        environment = environment_of(settings)
        stack.enter_context(Supervised(worker_command(["advance", "ingest"], processes), environment))
        for queue, count in DELIVERS.items():
            stack.enter_context(Supervised(worker_command([queue], count), environment))
        if settings.exports:
            stack.enter_context(Supervised(worker_command(["export"], EXPORTS), environment))
        stack.enter_context(Supervised(gateway_command(port), environment))
        if listens:
            stack.enter_context(Supervised(MLLP_COMMAND, environment))
        card = _write_card(settings)
        stack.callback(_remove_card, card)
        say("watching; send messages with `cartwatch send FILE`, look with `cartwatch health`; Ctrl-C ends it")
        stop.wait()
        say("stopping")


def _with_store(stack: ExitStack, data: Path | None, say: Callable[[str], None]) -> Settings:
    if "CARTWATCH_REDIS_URL" in os.environ:
        say("state store: CARTWATCH_REDIS_URL")
        return Settings()
    server = stack.enter_context(EmbeddedRedis(data))
    kept = f"kept in {data}" if data else "NOT kept: give --data FOLDER to keep patients over a restart"
    say(f"state store: embedded, {kept}")
    return Settings(redis_url=server.url, broker_url=server.broker_url)


def _with_receiver(
    stack: ExitStack, settings: Settings, say: Callable[[str], None], on_page: Callable[[Received], None]
) -> Settings:
    channels = load_site(settings.config_dir).on_call.channels.values()
    if "CARTWATCH_RECEIVER_URL" in os.environ or not any(RECEIVER in channel.url for channel in channels):
        return settings
    receiver = stack.enter_context(Receiver(on_page))
    say("pages to {receiver} are PRINTED HERE and wake nobody: put real addresses under channels in site.yaml")
    return settings.model_copy(update={"receiver_url": receiver.url})


def gateway_command(port: int) -> list[str]:
    """The command line of the gateway, on this machine only."""
    return [sys.executable, "-m", "worker.gateway", "--host", HOST, "--port", str(port)]


def _gateway_port() -> int:
    """The usual port, so that links outlive a restart; another where that is taken."""
    for port in (PORT, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return int(probe.getsockname()[1])
    raise OSError("no port is free on this machine")


def _with_address(settings: Settings, port: int, say: Callable[[str], None]) -> Settings:
    here = f"http://{HOST}:{port}"
    if settings.public_url is not None:
        say(f"gateway: {settings.public_url}, served at {here}")
        return settings
    say(f"gateway: {here}, on THIS MACHINE ONLY; sign in with `cartwatch link --person ID`")
    return settings.model_copy(update={"public_url": here})


def stop_on_signals() -> threading.Event:
    """An event that SIGINT and SIGTERM set."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop

"""The live service in the foreground: a store, supervised workers and gateway, and a fake phone if configured."""

import hashlib
import json
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from config.settings import Settings
from config.site import load_site
from worker.config_check.channels import RECEIVER
from worker.gateway import HOST, PORT
from worker.monitoring.last_alarm import refused, watching
from worker.runtime.private_folder import open_private, private_folder
from worker.runtime.runtime import connect, keys_of
from worker.standalone.embedded_redis import EmbeddedRedis
from worker.standalone.fake_phone import FakePhone, ReceivedPage
from worker.standalone.supervisor import Supervised, keep_running, rotate_log, worker_command
from worker.store.lease import owner_is_alive, owner_token
from worker.store.requirements import UnfitStoreError, require_usable_store

DELIVERS = ("deliver",)
"""The queues of outgoing messages. One process sends on all channels at once."""

EXPORTS = 1
"""Processes that export to the EHR, if one is configured."""

DISCOVERY_PREFIX = "cartwatch-service-"
"""The prefix of service discovery files, by which commands find the running services of their user."""

PUBLISHED = ("redis_url", "broker_url", "copies", "public_url", "fhir_base", "namespace", "shards", "audit_dir")

LOG = "cartwatch.log"

AUDIT = "audit"
"""The folder of the audit in a data folder."""

MLLP_COMMAND = [sys.executable, "-m", "worker.cli", "mllp"]
"""The command line of the process that receives HL7 on every listener."""


class ServiceError(Exception):
    """No running service matches, or several do. The text lists them and the way to choose."""


def discovery_file(data: Path | None) -> Path:
    """The service discovery file of a data folder. A service without a folder is named by its process."""
    name = str(data.resolve()) if data is not None else f"process {os.getpid()}"
    return private_folder() / f"{DISCOVERY_PREFIX}{hashlib.blake2s(name.encode(), digest_size=6).hexdigest()}.json"


def _publish(settings: Settings, data: Path | None) -> Path:
    """Write the service discovery file atomically, readable by this user only: it contains the store's password."""
    path = discovery_file(data)
    content = {
        "process": owner_token(),
        "data": str(data.resolve()) if data is not None else None,
        "settings": {name: value for name, value in settings.model_dump(mode="json").items() if name in PUBLISHED},
    }
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}", delete=False) as file:
        json.dump(content, file)
    os.replace(file.name, path)
    return path


def find_settings(data: Path | None = None, environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of a command.

    They are those of the service on a named data folder, else of the environment, else of the only service that this
    user runs.

    Raises:
        ServiceError: none runs on that folder, or several run and none is named.
    """
    if data is None and "CARTWATCH_REDIS_URL" in environment:
        return Settings()
    services = dict(_running())
    if data is not None:
        if (found := services.get(str(data.resolve()))) is None:
            raise ServiceError(f"no service runs on {data}{_listed(services)}")
        return found
    if len(services) > 1:
        raise ServiceError(f"several services run: name one by --data or CARTWATCH_DATA{_listed(services)}")
    return next(iter(services.values()), None) or Settings()


def _listed(services: Mapping[str, Settings]) -> str:
    return "".join(f"\n  {name}" for name in sorted(services))


def _running() -> Iterator[tuple[str, Settings]]:
    """This user's running services, by data folder or process. The discovery files of dead services are removed."""
    try:
        paths = sorted(private_folder().glob(f"{DISCOVERY_PREFIX}*.json"))
    except OSError:
        return
    for path in paths:
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            with open(open_private(path, os.O_RDONLY), encoding="utf-8") as file:
                content: dict[str, Any] = json.load(file)
            process: str = content["process"]
            if owner_is_alive(process.encode()):
                yield (
                    content["data"] or f"(no data folder, process {process.split('-')[1]})",
                    Settings(**content["settings"]),
                )
            else:
                path.unlink()


def serve(
    *,
    data: Path | None,
    processes: int,
    listens: bool,
    say: Callable[[str], None],
    on_page: Callable[[ReceivedPage], None],
    stop: threading.Event,
) -> None:
    """Run until `stop` is set, with an embedded store or on CARTWATCH_REDIS_URL.

    `listens`: the configuration names MLLP listeners.

    Raises:
        UnfitStoreError: the store violates a requirement.
        EmbeddedRedisError: the embedded store cannot be started.
    """
    with ExitStack() as stack:
        server, settings = _with_store(stack, data, say)
        settings = _with_fake_phone(stack, settings, say, on_page)
        _refuse_unfit(settings)
        port = _gateway_port()
        settings = _with_address(settings, port, say)
        log = (data or (server.folder if server is not None else private_folder())) / LOG
        say(f"log: {log}")
        running = [
            Supervised(command, settings.as_environment(), str(log), name)
            for name, command in _commands(settings, processes, port, listens=listens).items()
        ]
        for process in running:
            stack.enter_context(process)
        stack.enter_context(watching(settings))
        published = _publish(settings, data)
        stack.callback(published.unlink, missing_ok=True)
        threading.Thread(target=rotate_log, args=(log, stop), name="log", daemon=True).start()
        say("watching; send messages with `cartwatch send FILE`, look with `cartwatch health`; Ctrl-C ends it")
        if server is not None:
            keep_running(server, stop)
        else:
            stop.wait()
        say("stopping")
        for process in running:
            process.request_stop()


def _refuse_unfit(settings: Settings) -> None:
    try:
        with connect(settings.redis_url, copies=settings.copies) as redis:
            require_usable_store(redis, keys_of(settings), settings)
    except UnfitStoreError as error:
        refused(settings, error)
        raise


def _commands(settings: Settings, processes: int, port: int, *, listens: bool) -> dict[str, list[str]]:
    """The processes to supervise, by their name in the log. Evaluating processes never parse foreign input."""
    found = {"worker advance": worker_command(["advance"], processes)}
    found |= {f"worker {queue}": worker_command([queue], 1) for queue in ("ingest", *DELIVERS)}
    if settings.exports:
        found["worker export"] = worker_command(["export"], EXPORTS)
    found["gateway"] = gateway_command(port)
    if listens:
        found["mllp"] = MLLP_COMMAND
    return found


def _with_store(
    stack: ExitStack, data: Path | None, say: Callable[[str], None]
) -> tuple[EmbeddedRedis | None, Settings]:
    if "CARTWATCH_REDIS_URL" in os.environ:
        say("state store: CARTWATCH_REDIS_URL")
        return None, Settings()
    mebibytes = Settings().redis_memory
    server = stack.enter_context(EmbeddedRedis(data, memory=mebibytes * 1024 * 1024 if mebibytes else None))
    kept = f"kept in {data}" if data else "NOT kept: give --data FOLDER to keep patients over a restart"
    say(f"state store: embedded, {kept}")
    audit = Settings().audit_dir or (data / AUDIT if data is not None else None)
    return server, Settings(redis_url=server.url, broker_url=server.broker_url, audit_dir=audit)


def _with_fake_phone(
    stack: ExitStack, settings: Settings, say: Callable[[str], None], on_page: Callable[[ReceivedPage], None]
) -> Settings:
    channels = load_site(settings.config_dir).on_call.channels.values()
    if "CARTWATCH_RECEIVER_URL" in os.environ or not any(RECEIVER in channel.url for channel in channels):
        return settings
    phone = stack.enter_context(FakePhone(on_page))
    say("pages to {receiver} are PRINTED HERE and wake nobody: put real addresses under channels in site.yaml")
    return settings.model_copy(update={"receiver_url": phone.url})


def gateway_command(port: int) -> list[str]:
    """The command line of the gateway, on loopback only."""
    return [sys.executable, "-m", "worker.cli", "gateway", "--host", HOST, "--port", str(port)]


def _gateway_port() -> int:
    """The usual port, so that links survive a restart; another port if it is in use."""
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
    say(f"gateway: {here}, on THIS MACHINE ONLY; sign in with `cartwatch sign-in-link --person ID`")
    return settings.model_copy(update={"public_url": here})


def stop_on_signals() -> threading.Event:
    """An event that SIGINT and SIGTERM set."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop

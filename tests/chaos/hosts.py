"""`python -m tests.chaos.hosts`: the profile `ha` of the compose file as three hosts, of which one is taken away.

A host is a server of the store, its Sentinel, and one container of each kind that pages; the third has no workers.
CHAOS_KILLS is the number of failovers, CHAOS_RATE the messages a second, CHAOS_SEED the seed; CHAOS_IMAGE an image
of ours, CHAOS_BLOWS the kinds; CHAOS_WRITE is a document whose part is written anew. Needs Docker, and root.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import cycle
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from config.settings import Settings
from tests.chaos import report
from tests.chaos.against_sentinels import AgainstSentinels, Outcome, Repair, table
from tests.chaos.campaign import Plan
from tests.chaos.compose import Composed, inspect, run
from tests.support.sentinels import wait_until

SERVICE = "ward"
FAILOVER_SECONDS = 45.0
HOSTS = ("1", "2", "3")
PAGING = ("worker-advance", "worker-deliver", "worker-ingest", "worker-background")
"""Each has a container on the first host and one on the second."""


class Hosts:
    """The three hosts; the store's address is asked of the Sentinels."""

    def __init__(self, stand: "ComposedHosts") -> None:
        self._stand = stand

    def containers(self, host: str) -> list[str]:
        """The ids of a host's containers: the server of the store first."""
        project = self._stand.project
        services = [f"redis-{host}" if host != "1" else "redis", f"sentinel-{host}"]
        if host != "3":
            services.append("gateway" if host == "1" else "gateway-2")
        found = [container for service in services for container in project.containers(service)]
        if host != "3":
            found += [sorted(project.containers(service), key=_name)[int(host) - 1] for service in PAGING]
        return found + (project.containers("mllp") if host == "1" else [])

    def primary(self) -> str:
        """The host whose server the Sentinels call the primary.

        Raises:
            RedisError: none of them answers.
        """
        for host in HOSTS:
            with suppress(RedisError), self._direct(f"22{host}", 26379) as sentinel:
                address, _ = sentinel.sentinel_get_master_addr_by_name(SERVICE)
                return bytes(address).decode()[-1]
        raise RedisError("no Sentinel answers")

    def wait_until_whole(self, within: float = 120.0) -> None:
        """Wait until every container runs, every worker ticks and both replicas follow."""
        self._stand.forget_beats()
        wait_until(lambda: self._stand.is_well() and self._is_replicated(), "all hosts are back", within)

    def _is_replicated(self) -> bool:
        with suppress(RedisError, ValueError):
            with self._direct(f"21{self.primary()}", 6379) as redis:
                found = redis.info("replication")
            online = [one for one in found.values() if isinstance(one, dict) and one.get("state") == "online"]
            with self._direct("221", 26379) as sentinel:
                known = sentinel.sentinel_slaves(SERVICE)
            return len(online) == 2 and all(one["flags"] == "slave" for one in known)
        return False

    def _direct(self, address: str, port: int) -> Redis:
        project = self._stand.project
        host = f"{project.subnet}.{address}"
        return Redis(host, port, password=project.password, socket_timeout=2, socket_connect_timeout=1)

    @property
    def network(self) -> str:
        """The network of all."""
        return self._stand.project.network


def _name(container: str) -> str:
    return str(inspect(container)["Name"])


def _docker(command: str, containers: Iterable[str]) -> None:
    run("docker", command, *containers, quiet=True)


def _killed(hosts: Hosts) -> Repair:
    containers = hosts.containers(hosts.primary())
    _docker("kill", containers)
    return lambda: _docker("start", containers)


def _frozen(hosts: Hosts) -> Repair:
    containers = hosts.containers(hosts.primary())
    _docker("pause", containers)
    return lambda: _docker("unpause", containers)


def _cut_off(hosts: Hosts) -> Repair:
    """Every container of the host loses the network, and gets it back with its address."""
    containers = hosts.containers(hosts.primary())
    addresses = {one: inspect(one)["NetworkSettings"]["Networks"][hosts.network]["IPAddress"] for one in containers}
    for container in containers:
        run("docker", "network", "disconnect", "--force", hosts.network, container)

    def connect_again() -> None:
        for container, address in addresses.items():
            run("docker", "network", "connect", "--ip", address, hosts.network, container)

    return connect_again


KINDS: dict[str, Callable[[Hosts], Repair]] = {"host killed": _killed, "host frozen": _frozen, "host cut off": _cut_off}


def chosen() -> list[str]:
    """The kinds that CHAOS_BLOWS names, or all."""
    named = os.environ.get("CHAOS_BLOWS")
    return named.split(",") if named else list(KINDS)


class ComposedHosts(Composed):
    """The profile `ha`."""

    def prepare(self) -> None:
        """Choose the profile."""
        sentinels = ",".join(f"{self.project.subnet}.22{host}" for host in HOSTS)
        self.store_url = f"redis+sentinel://{sentinels}/{SERVICE}/0"
        self.project.settings = {
            "COMPOSE_PROFILES": "ha",
            "CARTWATCH_STORE_URL": self.store_url,
            "CARTWATCH_INGEST_WORKERS": "2",
            "CARTWATCH_BACKGROUND_WORKERS": "2",
            "CARTWATCH_GATEWAY_2_PORT": "0",
        }
        self.server = Hosts(self)

    def connection_settings(self) -> Settings:
        """The senders stand on no host: they reach all of them."""
        password = self.project.password
        return Settings(
            redis_url=self.store_url,
            redis_password=password,
            sentinel_password=password,
            receiver_url=self.phone.url,
        )


def main() -> int:
    """Carry it out, print, and say by the exit code whether anything was lost."""
    kills, rate = int(os.environ.get("CHAOS_KILLS", 150)), float(os.environ.get("CHAOS_RATE", 100))
    seconds = kills * FAILOVER_SECONDS
    plan = Plan(seconds, kills, int(seconds * rate), int(os.environ.get("CHAOS_SEED", 1)))
    with tempfile.TemporaryDirectory(prefix="cartwatch-hosts-") as temporary:
        image = os.environ.get("CHAOS_IMAGE", "cartwatch:chaos")
        with ComposedHosts(Path(temporary), f"cartwatch-hosts-{os.getpid()}", image, 2) as stand:
            campaign = AgainstSentinels(plan, stand, KINDS, cycle(chosen()))
            result = campaign.run()
            restarts = sum(inspect(one)["RestartCount"] for one in stand.project.containers())
    outcome = Outcome(2, result, campaign.failovers, restarts, campaign.answered_early)
    sys.stdout.write(f"{report.examples([('hosts', plan, result)])}\n{campaign.failovers}\n")
    command = f"CHAOS_KILLS={kills} CHAOS_RATE={rate:g} CHAOS_SEED={plan.seed} make chaos-hosts"
    found = f"`{command}`: {report.machine()}.\n\n{table([outcome])}\n"
    sys.stdout.write(found)
    if target := os.environ.get("CHAOS_WRITE"):
        report.rewrite(Path(target), "hosts", found)
    return int(not result.settled or any(result.verdict.faults.values()))


if __name__ == "__main__":
    sys.exit(main())

"""`cartwatch ...`: the group of every command in `worker/commands/`."""

from collections.abc import Iterator
from typing import Any

import click

from worker.commands import (
    configuration,
    delivery,
    fhir_export,
    gateway,
    intake,
    merges,
    mllp,
    offline,
    patients,
    registration,
    responses,
    route,
    service,
)
from worker.commands.common import data_option


class _Commands(click.Group):
    """Says in one line what whoever runs a command can mend; anything else keeps its traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            said = _mendable(error)
            if said is None:
                raise
            raise click.ClickException(said) from error


def _mendable(error: Exception) -> str | None:
    from pydantic import ValidationError
    from redis.exceptions import RedisError

    from worker.store.capacity import IntakeStoppedError

    if isinstance(error, IntakeStoppedError):
        return str(error)
    if isinstance(error, RedisError):
        return f"the state store cannot be reached: {error}"
    if isinstance(error, ValidationError) and error.title == "Settings":
        return "; ".join(f"CARTWATCH_{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors())
    return None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cartwatch")
def main() -> None:
    """Watches patients after CAR-T infusion and pages the on-call haematologist.

    Decision support, not a medical device. The bedside monitor stays primary.
    """


for command in (
    *(service.up, service.worker, service.send, service.health),
    *(responses.ack, responses.hand_over, responses.silence, responses.close),
    *(gateway.gateway, gateway.link, gateway.sign_out, mllp.mllp, intake.key),
    *(patients.board, patients.explain, registration.register, merges.merges, merges.unmerge),
    *(intake.set_aside, intake.unmapped, fhir_export.exports),
    *(configuration.check, route.route, delivery.send_test),
    *(offline.example, offline.grade, intake.parse, offline.replay, offline.demo),
):
    main.add_command(command)

WITHOUT_SERVICE = frozenset({"up", "worker", "check", "parse", "grade", "replay", "demo"})


def _speaking_to_service(group: click.Group) -> Iterator[click.Command]:
    for name, command in group.commands.items():
        if name not in WITHOUT_SERVICE:
            yield from _speaking_to_service(command) if isinstance(command, click.Group) else [command]


for command in _speaking_to_service(main):
    command.params.append(data_option)


if __name__ == "__main__":
    main()

"""`cartwatch ...`: the group of all commands in `worker/commands/`, by section."""

from collections.abc import Iterator
from typing import Any

import click

from worker.commands import (
    audit,
    backup,
    configuration,
    delivery,
    fhir_export,
    gateway,
    intake,
    merges,
    mllp,
    offline,
    patients,
    quality,
    registration,
    responses,
    retention,
    route,
    schema,
    service,
    subscriptions,
    unreadable,
)
from worker.commands.common import data_option


class Commands(click.Group):
    """The commands by section. An error that the caller can fix is one line; any other keeps its traceback."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.sections: dict[str, list[str]] = {}

    def add_section(self, heading: str, *commands: click.Command) -> None:
        """Add commands that `--help` lists under one heading, in this order."""
        self.sections[heading] = [str(command.name) for command in commands]
        for command in commands:
            self.add_command(command)

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """List each section with the short help of its commands, which is never cut."""
        width = max(map(len, self.commands))
        for heading, names in self.sections.items():
            with formatter.section(heading):
                formatter.write_dl([(f"{name:<{width}}", self.commands[name].short_help or "") for name in names])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            said = _fixable(error)
            if said is None:
                raise
            raise click.ClickException(said) from error


def _fixable(error: Exception) -> str | None:
    from pydantic import ValidationError
    from redis.exceptions import RedisError

    from worker.store.capacity import IntakeStoppedError
    from worker.store.schema import UnreadableError

    if isinstance(error, IntakeStoppedError):
        return str(error)
    if isinstance(error, UnreadableError):
        return f"stored data cannot be read ({error}); see `cartwatch unreadable`"
    if isinstance(error, RedisError):
        return f"the state store cannot be reached: {error}"
    if isinstance(error, ValidationError) and error.title == "Settings":
        return "; ".join(f"CARTWATCH_{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors())
    return None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cartwatch")
def main() -> None:
    """Watches patients after CAR-T infusion and pages the on-call haematologist.

    Decision support, not a medical device. The bedside monitor stays primary.
    """


main.add_section("Service", service.up, service.send, service.health, service.worker, gateway.gateway, mllp.mllp)
main.add_section(
    "Patients and pages",
    *(
        patients.board,
        patients.handover,
        patients.explain,
        responses.ack,
        responses.hand_over,
        responses.silence,
        responses.close,
    ),
    *(registration.register, merges.merges, merges.unmerge, gateway.sign_in_link, gateway.sign_out),
)
main.add_section(
    "Intake and export",
    *(intake.parse, intake.source_key, intake.unmapped_codes, intake.dead_letters, unreadable.unreadable),
    *(subscriptions.subscriptions, schema.schema),
    fhir_export.fhir_export,
)
main.add_section("Record", audit.audit, retention.forget, backup.backup, backup.restore)
main.add_section("Configuration", configuration.check, route.route, delivery.test_page, offline.version)
main.add_section("Offline", offline.example, offline.grade, offline.replay, offline.drill, offline.demo)
main.add_section("Alarm quality", quality.simulate, quality.evaluate, quality.export, quality.cohort)

WITHOUT_SERVICE = frozenset(
    {
        "up",
        "restore",
        "worker",
        "check",
        "version",
        "parse",
        "schema",
        "grade",
        "replay",
        "drill",
        "demo",
        "simulate",
        "evaluate",
        "cohort",
    }
)


def _speaking_to_service(group: click.Group) -> Iterator[click.Command]:
    for name, command in group.commands.items():
        if name not in WITHOUT_SERVICE:
            yield from _speaking_to_service(command) if isinstance(command, click.Group) else [command]


for command in _speaking_to_service(main):
    command.params.append(data_option)


if __name__ == "__main__":
    main()

"""`cartwatch register`: register a patient, with the infusion and the place."""

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from worker.commands.common import runtime, settings_of_service, with_example

if TYPE_CHECKING:
    from alerts.state import PatientState
    from config.site import Site
    from worker.runtime.runtime import Runtime

LOOKS = 30
LOOK_EVERY_SECONDS = 0.1


@with_example("cartwatch register P1 --infused 2024-06-12T10:00 --product axicabtagene")
@click.command(short_help="Register a patient, or correct a registration.")
@click.argument("patient")
@click.option("--infused", default="", metavar="TIME", help="Day and hour of infusion: 2024-06-12T10:00.")
@click.option("--product", default="", help="axicabtagene, tisagenlecleucel, ..., a trade name, or another product.")
@click.option("--born", default="", metavar="DATE", help="Date of birth: 1955-05-01.")
@click.option("--ward", default="")
@click.option("--bed", default="")
@click.option("--team", default="")
@click.option("--allergies", default="", help="In words, as pages show them: co-trimoxazole, latex.")
def register(patient: str, **said: str) -> None:
    """Register PATIENT, by the id that readings arrive with, or correct a registration."""
    from alerts.message_json import BadMessage
    from worker.client import Client
    from worker.intake.registration import BadFieldError, is_processed, registration

    run = runtime()
    now = run.clock.now()
    before = run.store.state(patient.strip())
    try:
        name = f"register-{int(now.timestamp() * 1000)}"
        message = registration({"patient": patient, **said}, name, "cli", now, run.site)
        Client(settings_of_service()).send([message], source="cli")
    except BadFieldError as error:
        hint = "PATIENT" if error.field == "patient" else f"--{error.field}"
        raise click.BadParameter(str(error), param_hint=hint) from error
    except BadMessage as error:
        raise click.ClickException(str(error)) from error
    for _ in range(LOOKS):
        if is_processed(run.store, message):
            break
        time.sleep(LOOK_EVERY_SECONDS)
    else:
        raise click.ClickException(
            f"{patient} is stored, and not processed yet: is a worker running? See `cartwatch health`"
        )
    for line in _what_happened(run, message, before):
        click.echo(line)


def _what_happened(run: "Runtime", message: dict[str, Any], before: "PatientState | None") -> list[str]:
    from worker.commands.patients import standing_line

    state = run.store.state(message["patient"])
    if state is None:
        return []
    again = before is not None and before.registered
    lines = [f"{state.patient} is registered{' again' if again else ''}: {_as_known(state, run.site, run.clock.now())}"]
    if before is None:
        lines.append(f"nothing has come in for {state.patient} yet: check the id if readings are sent already")
    elif before.unregistered is not None:
        kept = before.unregistered
        lines.append(f"{kept.count} message(s) from {', '.join(kept.sources)} that waited for it are evaluated now")
    episodes = [standing_line(episode, run.site) for episode in state.episodes.values()]
    return lines + [f"open: {line}" for line in episodes]


def _as_known(state: "PatientState", site: "Site", now: datetime) -> str:
    from alerts.pages.values import clock

    known = state.chart.admission
    if known is None or known.infused is None:
        infused = "NO INFUSION DATE: no day, no baseline, nothing is overdue; give --infused"
    else:
        infused = f"infused {clock(known.infused, site, 'en')}, day {state.chart.day(now, site.zone)}"
    parts = [infused, *((known.product, known.place) if known else ())]
    return ", ".join(part for part in parts if part)

"""Commands about the patients of a running service."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from worker.commands.common import echo_json, json_option, runtime, with_example

if TYPE_CHECKING:
    from alerts.episodes.episode import Episode
    from alerts.overview import LatestCount, Overview, Sign
    from alerts.state import PatientState
    from config.site import Site


@with_example("cartwatch board")
@click.command(short_help="List all patients, the most urgent first.")
@json_option
def board(as_json: bool) -> None:
    """List all patients, the most urgent first: grades, last signs, open episodes, who has them."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from alerts.episodes.silences import in_force
    from alerts.overview import most_urgent_first, overview
    from alerts.wording.catalogue import in_english
    from worker.monitoring.unregistered import summarise

    run = runtime()
    now = run.clock.now()
    patients = most_urgent_first(overview(state, run.site) for state in run.store.states())
    if as_json:
        for patient in patients:
            echo_json(_as_json(patient, run.site, now))
        return
    terminal = Console()
    console = terminal if terminal.is_terminal else Console(width=PIPED)
    table = Table()
    # An id is copied into the next command. In a narrow column it is folded, and never cut.
    for heading in ("patient", "place", "CRS", "ICANS", "last signs", "open episodes"):
        table.add_column(heading, overflow="fold", no_wrap=not terminal.is_terminal)
    for patient in patients:
        state = patient.state
        episodes = [standing_line(item, run.site) for item in patient.episodes]
        episodes += [
            f"silence {item.id}: {item.condition} until {_clock(item.until, run.site)} ({item.by}: {item.why})"
            for item in in_force(state.silences, now)
        ]
        episodes += [in_english(statement, run.site.zone) for statement in patient.statements]
        grades = [level.text or level.absent for level in (patient.crs, patient.icans)]
        cells = (state.patient, _place(state), *grades, _signs(patient), "\n".join(episodes))
        table.add_row(*map(escape, cells))
    console.print(table)
    unregistered = summarise(run.store.unregistered().values())
    if unregistered.patients:
        click.echo(f"not registered: {unregistered}; see `cartwatch dead-letters`, `cartwatch register --help`")


PIPED = 4000
"""The width of a line without a terminal: a program that reads it must find whole ids."""


def _clock(moment: datetime, site: "Site") -> str:
    from alerts.pages.values import clock

    return clock(moment, site, "en")


def _place(state: "PatientState") -> str:
    from alerts.messages import SITE_SUBJECT

    if state.patient == SITE_SUBJECT:
        return "technical"
    admission = state.chart.admission
    place = (admission.place or "no place charted") if admission else "not registered"
    if state.merged_into:
        return f"{place} (merged into {state.merged_into})"
    return f"{place} (discharged)" if state.discharged_at is not None else place


def _signs(patient: "Overview") -> str:
    named = (("T", patient.temperature), ("BP", patient.pressure), ("SpO2", patient.spo2), ("ICE", patient.ice))
    return ", ".join(f"{name} {sign.value or '–'}" for name, sign in named)


def _as_json(patient: "Overview", site: "Site", now: datetime) -> dict[str, Any]:
    """One patient as a document. A missing or undetermined value is null."""
    from alerts.wording.catalogue import in_english

    state = patient.state
    admission = state.chart.admission
    grades = {"crs": patient.crs, "icans": patient.icans}
    signs = {"temperature": patient.temperature, "pressure": patient.pressure, "spo2": patient.spo2}
    values: dict[str, Sign | LatestCount] = {
        **signs,
        "ice": patient.ice,
        **{count.name: count for count in patient.counts},
    }
    return {
        "patient": state.patient,
        "ward": admission.ward if admission else None,
        "bed": admission.bed if admission else None,
        "day": state.chart.day(now, site.zone),
        "registered": state.registered,
        "discharged": state.discharged_at is not None,
        **{name: level._asdict() for name, level in grades.items()},
        **{name: _value(one, now) for name, one in values.items()},
        "m_easix": {
            "value": patient.m_easix.value or None,
            "flags": [in_english(flag, site.zone) for flag in patient.m_easix.flags],
        },
        "statements": [in_english(statement, site.zone) for statement in patient.statements],
        "episodes": [_episode(episode, site) for episode in patient.episodes],
    }


def _value(one: "Sign | LatestCount", now: datetime) -> dict[str, Any] | None:
    if one.at is None:
        return None
    return {"value": one.value, "at": one.at.isoformat(), "old": one.old_at is not None and now >= one.old_at}


def _episode(episode: "Episode", site: "Site") -> dict[str, Any]:
    from alerts.wording.catalogue import in_english

    return {
        "id": episode.id,
        "condition": episode.condition,
        "title": in_english(episode.title, site.zone),
        "urgency": episode.urgency,
        "since": episode.opened_at.isoformat(),
        "acknowledged_by": episode.acknowledged_by or None,
    }


@with_example("cartwatch handover --language it")
@click.command(short_help="Print the sheet of a shift handover.")
@click.option("--language", default="en", show_default=True, help="The code of a language with a catalogue.")
def handover(language: str) -> None:
    """Print the sheet of a shift handover.

    It says who is on call and from when, and of each patient what is open, which answers are owed, which doses are left
    and what is overdue. The ward board has the same sheet.
    """
    from alerts.handover import handover_sheet, lines
    from config.languages import languages

    if language not in languages():
        raise click.BadParameter(f"write one of {', '.join(languages())}", param_hint="--language")
    run = runtime()
    for line in lines(handover_sheet(run.store.states(), run.clock.now(), run.site, language), language):
        click.echo(line)


def standing_line(episode: "Episode", site: "Site") -> str:
    """One open episode: its condition and urgency, its holder and until when, and the outcome of its last page."""
    from alerts.pages.values import clock
    from alerts.wording.catalogue import in_english

    status = f"{episode.acknowledged_by} has it" if episode.acknowledged_by else "UNANSWERED"
    if episode.due_at is not None:
        status += (
            f", {'asked again' if episode.acknowledged_by else 'next notified'} {clock(episode.due_at, site, 'en')}"
        )
    if episode.silenced_until is not None:
        status += f", silenced until {clock(episode.silenced_until, site, 'en')}"
    last = episode.deliveries[-1] if episode.deliveries else None
    sent = f"; last page to {last.to} on {last.channel}: {last.state}" if last else ""
    return f"{episode.id} {in_english(episode.title, site.zone)} [{episode.urgency}] {status}{sent}"


@with_example("cartwatch explain P1 --rules")
@click.command(short_help="Explain every grade of a patient.")
@click.argument("patient")
@click.option("--at", type=click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]), help="On the hospital's clock.")
@click.option("--rules", is_flag=True, help="Print each rule's table and source as well.")
@json_option
def explain(patient: str, at: datetime | None, rules: bool, as_json: bool) -> None:
    """Explain every grade of a patient: its readings, its rule, what was missing, what would change it."""
    from alerts.explain import explain as explained
    from worker.commands.explanation import as_values, lines

    run = runtime()
    state = run.store.state(patient)
    if state is None:
        raise click.ClickException(f"no patient {patient}; see `cartwatch board`")
    moment = at.replace(tzinfo=run.site.zone) if at is not None else run.clock.now()
    found = explained(state.chart, moment, run.site)
    if as_json:
        for values in as_values(found, rules=rules):
            echo_json(values)
        return
    for line in lines(found, rules=rules):
        click.echo(line)

"""Commands about channels: test one."""

import sys
from typing import TYPE_CHECKING

import click

from worker.commands.common import runtime, with_example

if TYPE_CHECKING:
    from datetime import datetime

    from alerts.pages.page import Page
    from config.site import Site, Urgency

URGENCIES = ("low", "medium", "high", "critical", "technical")
"""The urgencies of `config.site`, which `--help` need not load."""


@with_example("cartwatch test-page haematologist-1 --urgency critical")
@click.command("test-page", short_help="Send a test page to a person.")
@click.argument("person")
@click.option("--channel", help="Only this channel; default: every channel of the person.")
@click.option(
    "--urgency",
    type=click.Choice(URGENCIES),
    default="low",
    show_default=True,
    help="How loud it is: `critical` passes do-not-disturb, as a critical page does.",
)
def test_page(person: str, channel: str | None, urgency: "Urgency") -> None:
    """Send a test page to PERSON over their channels and print each answer. Exit code 1: no channel worked."""
    from datetime import UTC

    from alerts.wording.catalogue import in_english
    from worker.delivery.channel import send
    from worker.delivery.outcome import Outcome
    from worker.delivery.pictures import message_context

    run = runtime()
    on_call = run.site.on_call
    if person not in on_call.people:
        raise click.BadParameter(f"{person}: not one of {', '.join(on_call.people)}", param_hint="PERSON")
    channels = on_call.people[person].channels
    if channel is not None and channel not in channels:
        raise click.BadParameter(f"{channel}: not one of {', '.join(channels)}", param_hint="--channel")
    worked = False
    for name in channels if channel is None else (channel,):
        page = build_test_page(run.site, person, name, run.clock.now(), urgency)
        attempt = send(on_call.channels[name], [page], message_context(run))
        worked |= attempt.outcome is Outcome.SENT
        detail = in_english(attempt.detail, UTC)
        click.echo(f"{name}: {attempt.outcome}{f', {detail}' if detail else ''}")
    if not worked:
        sys.exit(1)


def build_test_page(site: "Site", person: str, channel: str, now: "datetime", urgency: "Urgency") -> "Page":
    """A page that names no patient and says that it is a test, with the sound of its urgency."""
    from alerts.pages.page import site_page
    from alerts.pages.title import Title
    from alerts.wording.catalogue import say

    known = site.on_call.people[person]
    stamp = f"{now:%Y%m%d%H%M%S}"
    return site_page(
        "test",
        id=f"test.{stamp}",
        at=now,
        urgency=urgency,
        to=person,
        channel=channel,
        heading=Title(
            say("[TEST] cartwatch reaches {person} on {channel}", known.language, person=known.name, channel=channel)
        ),
        text=say("This is a test. Nobody is ill, and nothing is to be done.", known.language),
        language=known.language,
    )

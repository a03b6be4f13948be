"""Commands of the gateway: serve it, and sign people in to the board and out again."""

import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worker import tracing
from worker.commands.common import gateway_runtime, refuse_unfit_store, runtime, with_example
from worker.gateway import HOST, PORT

if TYPE_CHECKING:
    from worker.runtime.runtime import Runtime

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@with_example("cartwatch gateway --port 8080 --behind-proxy --host 0.0.0.0")
@click.command(short_help="Serve page links, ward board, HTTP intake, metrics.")
@click.option("--host", default=HOST, show_default=True, help="Address to listen on.")
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(1, 65535))
@click.option("--certificate", type=_FILE, help="TLS certificate chain (PEM).")
@click.option("--key", type=_FILE, help="The certificate's key (PEM).")
@click.option(
    "--behind-proxy", is_flag=True, help="A proxy before it speaks TLS: the sender is who it adds to X-Forwarded-For."
)
@click.option(
    "--metrics-from", multiple=True, metavar="NETWORK", help="Who may read /metrics; this machine by default."
)
def gateway(
    host: str,
    port: int,
    certificate: Path | None,
    key: Path | None,
    behind_proxy: bool,
    metrics_from: tuple[str, ...],
) -> None:
    """Serve the links of pages, the ward board, the HTTP intake, health probes and metrics."""
    from config.problems import ConfigurationError
    from worker.gateway.serve import Listening, access_of, serve
    from worker.runtime.logging_setup import configure

    if (certificate is None) != (key is None):
        raise click.UsageError("give both --certificate and --key, or neither")
    if not (_is_loopback(host) or certificate or behind_proxy):
        raise click.UsageError(
            f"{host} is reached from other machines: give --certificate and --key, or --behind-proxy where one that"
            " speaks TLS stands before it"
        )
    if behind_proxy and metrics_from:
        raise click.UsageError(
            "behind a proxy an address can be made up: set CARTWATCH_METRICS_TOKEN instead of --metrics-from"
        )
    run = gateway_runtime()
    try:
        access = access_of(metrics_from, run.settings.metrics_token or "", behind_proxy=behind_proxy)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--metrics-from") from error
    configure(run.settings)
    tracing.start()
    refuse_unfit_store(run)
    try:
        serve(run, Listening(host, port, certificate, key, behind_proxy), access)
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@with_example("cartwatch sign-in-link --person haematologist-1")
@click.command("sign-in-link", short_help="Print a personal link to the ward board.")
@click.option("--person", required=True, help="Who signs in: an id of people in site.yaml.")
def sign_in_link(person: str) -> None:
    """Print a personal link to the ward board. It signs in once, within 15 minutes."""
    from worker.links import links_of

    run = runtime()
    _known(run, person)
    if run.settings.public_url is None:
        raise click.ClickException("set CARTWATCH_PUBLIC_URL to the address people reach the gateway by")
    links = links_of(run.store.redis, run.store.keys, run.settings, run.settings.public_url)
    click.echo(links.sign_in(person, run.clock.now()))


@with_example("cartwatch sign-out --person haematologist-1")
@click.command("sign-out", short_help="End the sessions of a person on the ward board.")
@click.option(
    "--person", required=True, help="Whose sessions: an id of people, also of somebody who is no longer there."
)
def sign_out(person: str) -> None:
    """End every session a person has open on the ward board."""
    from worker.gateway.sessions import Sessions

    run = runtime()
    ended = Sessions(run.store.redis, run.store.keys).end_all(person)
    click.echo(f"{ended} session(s) of {person} ended")


def _known(run: "Runtime", person: str) -> None:
    people = run.site.on_call.people
    if person not in people:
        raise click.BadParameter(f"{person}: not one of {', '.join(people)}", param_hint="--person")

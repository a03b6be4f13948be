"""The command that prints what the interfaces accept, for programs."""

import json

import click

from worker.commands.common import with_example


@with_example("cartwatch schema messages > messages.schema.json")
@click.command(short_help="Print the schema of messages or of the HTTP interface.")
@click.argument("of", type=click.Choice(["messages", "openapi"]), default="messages")
def schema(of: str) -> None:
    """Print the JSON Schema of native messages, or the OpenAPI document of the HTTP interface."""
    click.echo(text(of))


def text(of: str) -> str:
    """The document as it is printed, and as it stands in `docs/integrators/`."""
    from alerts import message_schema
    from worker.gateway import openapi

    made = message_schema.schema() if of == "messages" else openapi.document()
    return json.dumps(made, indent=2, ensure_ascii=False)

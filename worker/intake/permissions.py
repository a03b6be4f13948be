"""Permissions of sources: devices and laboratories send readings; an EHR also sends stays and statements of people."""

from alerts.chart.charting import UNNAMED
from alerts.message_json import BadMessage
from alerts.messages import AnyMessage, Statement
from config.intake import Source
from worker.intake.parsed import ElementResult, Parsed, refused


def allowed(message: AnyMessage, source: Source) -> AnyMessage:
    """Return a native message if its source may send it.

    Raises:
        BadMessage: it may not; the text names the field and the fix.
    """
    if not source.may_send(message.type):
        raise BadMessage(f"type: {_why(message.type, source)}")
    if isinstance(message, Statement) and not message.by:
        raise BadMessage(UNNAMED)
    return message


def permitted(parsed: Parsed, source: Source) -> Parsed:
    """A FHIR or HL7 delivery. Elements that its source may not send are refused."""
    items = (item._replace(elements=tuple(_permitted(one, source) for one in item.elements)) for item in parsed.items)
    return parsed._replace(items=tuple(items))


def _permitted(element: ElementResult, source: Source) -> ElementResult:
    denied = next((native["type"] for native in element.messages if not source.may_send(native["type"])), "")
    return refused(element.where, _why(denied, source)) if denied else element


def _why(kind: str, source: Source) -> str:
    if not source.listed:
        return f"{kind} is not accepted from {source.name[:40]!r}, which is not listed in intake.yaml; list it there"
    return (
        f"{kind} is not accepted from a {source.policy.type}; a source of type record, or with `registers`, may send it"
    )

"""FHIR OperationOutcomes and response Bundles. Each entry is answered in its place, with the field and the fix."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from worker.intake.parsed import ElementOutcome, Parsed, ParsedResource

STATUS = {
    ElementOutcome.STORED: "201 Created",
    ElementOutcome.DEAD_LETTER: "202 Accepted",
    ElementOutcome.IGNORED: "200 OK",
    ElementOutcome.REFUSED: "422 Unprocessable Entity",
    ElementOutcome.OVER_QUOTA: "503 Service Unavailable",
}
_SEVERITY = {
    ElementOutcome.STORED: ("information", "informational"),
    ElementOutcome.DEAD_LETTER: ("warning", "business-rule"),
    ElementOutcome.IGNORED: ("information", "informational"),
    ElementOutcome.REFUSED: ("error", "invalid"),
    ElementOutcome.OVER_QUOTA: ("error", "transient"),
}


def outcome(*issues: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": list(issues)}


def issue(text: str, severity: str = "error", code: str = "invalid", where: str = "") -> dict[str, Any]:
    """One issue. `where`: the place in the request."""
    body: dict[str, Any] = {"severity": severity, "code": code, "diagnostics": text}
    return body | {"expression": [where]} if where else body


def of_item(item: ParsedResource) -> dict[str, Any]:
    """The OperationOutcome of one resource, element by element."""
    return outcome(*(issues_of(item) or [issue("nothing to read", "information", "informational")]))


def issues_of(item: ParsedResource) -> list[dict[str, Any]]:
    """The issues of one resource, element by element."""
    issues = []
    for element in item.elements:
        severity, code = _SEVERITY[element.outcome]
        text = element.why or f"{element.outcome.value}: {len(element.messages)} message(s)"
        if element.outcome is ElementOutcome.DEAD_LETTER:
            text = f"stored as a dead letter: {text}"
        issues.append(issue(text, severity, code, element.where))
    return issues


def status_of(item: ParsedResource, version: int | None = None) -> str:
    """The HTTP status of one resource that was written in this version."""
    if item.status:
        return item.status
    replaced = item.update and item.outcome is ElementOutcome.STORED and version not in (None, 1)
    return "200 OK" if replaced else STATUS[item.outcome]


def of_bundle(parsed: Parsed, kind: str, versions: Mapping[str, int], now: datetime) -> dict[str, Any]:
    """The response to a Bundle: one entry for each entry of it, in order."""
    entries = []
    for item in parsed.items:
        version = versions.get(item.id)
        response: dict[str, Any] = {"status": status_of(item, version)}
        if version is not None:
            response |= {
                "location": f"{item.id}/_history/{version}",
                "etag": f'W/"{version}"',
                "lastModified": now.isoformat(),
            }
        if any(element.outcome is not ElementOutcome.STORED for element in item.elements):
            response["outcome"] = of_item(item)
        entries.append({"response": response})
    answer = "transaction-response" if kind == "transaction" else "batch-response"
    return {"resourceType": "Bundle", "type": answer, "entry": entries}

"""FHIR OperationOutcomes and response Bundles. Each entry is answered in its place, with the field and the fix."""

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
    issues = []
    for element in item.elements:
        severity, code = _SEVERITY[element.outcome]
        text = element.why or f"{element.outcome.value}: {len(element.messages)} message(s)"
        if element.outcome is ElementOutcome.DEAD_LETTER:
            text = f"stored as a dead letter: {text}"
        issues.append(issue(text, severity, code, element.where))
    return outcome(*(issues or [issue("nothing to read", "information", "informational")]))


def of_bundle(parsed: Parsed, kind: str) -> dict[str, Any]:
    """The response to a Bundle: one entry for each entry of it, in order."""
    entries = []
    for item in parsed.items:
        response: dict[str, Any] = {"status": STATUS[item.outcome]}
        if any(element.outcome is not ElementOutcome.STORED for element in item.elements):
            response["outcome"] = of_item(item)
        entries.append({"response": response})
    answer = "transaction-response" if kind == "transaction" else "batch-response"
    return {"resourceType": "Bundle", "type": answer, "entry": entries}

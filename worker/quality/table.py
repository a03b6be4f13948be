"""The measures as a table at a terminal, and as Markdown for the documents: both the same text."""

from collections.abc import Iterator, Mapping, Sequence

from worker.quality.measures import NIGHT, WARD, ConditionMeasure, Measures

Row = Sequence[str]


def tables(found: Mapping[str, Measures]) -> Iterator[str]:
    """Every table, in Markdown."""
    yield markdown(("policy", *BURDEN_COLUMNS), [(name, *_burden(one)) for name, one in found.items()])
    first = next(iter(found.values()))
    if first.conditions:
        rows = [(name, one.name, *_condition(one)) for name, of in found.items() for one in of.conditions]
        yield markdown(("policy", "condition", *CONDITION_COLUMNS), rows)
    yield markdown(("urgency, condition, reason", "pages", "per patient-day"), list(_reasons(first)))
    if first.groundless_conditions:
        yield markdown(("without ground, by condition", "pages", "per patient-day"), list(_groundless(first)))
    yield markdown(("responder", f"pages a night ({NIGHT}), ward of {WARD}"), list(_nights(first)))


BURDEN_COLUMNS = (
    "pages per patient-day",
    "critical and high",
    "first, medium and more",
    "pages per 100 patient-days by urgency",
    "without ground per patient-day",
    "longest silence, h",
)

CONDITION_COLUMNS = (
    "onsets",
    "charted",
    "paged",
    "sensitivity",
    "missed",
    "> 60 min",
    "from true onset, min (median, p90)",
    "from charting, min (median, p90)",
    "PPV",
)


def _burden(one: Measures) -> Row:
    burden = one.burden
    urgencies = ", ".join(f"{name} {100 * burden.per_day(count):.1f}" for name, count in burden.urgencies.items())
    ground = f"{one.groundless_per_day:.2f} of {burden.per_day(one.judged):.2f}" if one.judged else "-"
    silence = f"{one.longest_silence:.0f}" if one.longest_silence is not None else "-"
    first = f"{burden.per_day(burden.first):.2f}"
    return (f"{burden.per_day():.2f}", f"{burden.urgent_per_day:.2f}", first, urgencies, ground, silence)


def _condition(one: ConditionMeasure) -> Row:
    return (
        str(one.onsets),
        str(one.charted),
        f"{one.paged} ({one.already} before)" if one.already else str(one.paged),
        _percent(one.sensitivity),
        str(one.missed),
        str(one.late),
        "-" if one.from_onset is None else f"{one.from_onset.median:.0f}, {one.from_onset.p90:.0f}",
        "-" if one.from_charting is None else f"{one.from_charting.median:.1f}, {one.from_charting.p90:.1f}",
        _percent(one.predictive),
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _reasons(one: Measures) -> Iterator[Row]:
    for name, count in one.burden.reasons.items():
        yield name, str(count), f"{one.burden.per_day(count):.3f}"


def _groundless(one: Measures) -> Iterator[Row]:
    for name, count in one.groundless_conditions.items():
        yield name, str(count), f"{one.burden.per_day(count):.3f}"


def _nights(one: Measures) -> Iterator[Row]:
    for person, count in one.burden.nights.items():
        yield person, f"{count:.2f}"


def markdown(head: Row, rows: Sequence[Row]) -> str:
    """A Markdown table with columns of one width."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = [_line(head, widths), "|" + "|".join("-" * (width + 2) for width in widths) + "|"]
    return "\n".join([*lines, *(_line(row, widths) for row in rows)])


def _line(row: Row, widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"

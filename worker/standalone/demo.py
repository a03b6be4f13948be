"""`make run`: the reference case at speed through the real tasks, and every page as the on-call phone shows it."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from alerts.message_json import read_message
from alerts.messages import AnyMessage
from alerts.pages.concern import ENDED
from alerts.wording.catalogue import DISCLAIMER
from config.site import URGENCIES, Site, load_site
from worker.report.course import Course, course_from
from worker.report.days import SYSTEMS, DayGrade, DayRow, days
from worker.report.page import render
from worker.report.picture import draw
from worker.standalone.example import REFERENCE_CASE
from worker.standalone.fake_phone import ReceivedPage
from worker.standalone.replay import Replay, acknowledgement

COLOURS = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan", "technical": "magenta"}

ANSWERS_AFTER = timedelta(minutes=4)

PAGES = "pages.txt"
"""The file of every page as the phone shows it, with the answers between them."""

PAGE_WIDTH = 110

GRADES_WIDTH = 56
"""The width of the grade columns. The rest of a line is for the report."""


def read_case(path: Path) -> list[AnyMessage]:
    """Every message of a file of native messages."""
    return [read_message(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


class People:
    """The people of the demonstration. They answer most pages after four minutes.

    They answer the first critical page only once the consultant is notified, and the first high one only after a
    repeat.
    """

    def __init__(self) -> None:
        self._unanswered: dict[str, str] = {}
        self._let_climb = {"high": 1, "critical": 1}

    def respond(self, event: dict[str, Any]) -> Iterator[AnyMessage]:
        """The acknowledgement of a page, if the people answer it."""
        if event["kind"] != "page" or event["urgency"] == "low" or event["reason"] in ENDED:
            return
        at = datetime.fromisoformat(event["at"])
        if event["reason"] != "repeat" and self._let_climb.get(event["urgency"], 0):
            self._let_climb[event["urgency"]] -= 1
            self._unanswered[event["episode"]] = "consultant-1" if event["urgency"] == "critical" else event["to"]
            return
        awaited = self._unanswered.get(event["episode"])
        if awaited is not None and event["to"] != awaited:
            return
        self._unanswered.pop(event["episode"], None)
        yield acknowledgement(event, at + (timedelta(minutes=2) if awaited else ANSWERS_AFTER), event["to"])


def demonstrate(output: Path, console: Console, config_dir: Path | None = None) -> None:
    """Replay the reference case; write every page, the picture and the page of its course; end with its table."""
    site = load_site(config_dir)
    messages = read_case(REFERENCE_CASE)
    console.print(
        f"[bold]cartwatch[/bold]: the reference case, replayed through Redis, Celery and a fake phone.\n{DISCLAIMER}"
    )
    output.mkdir(parents=True, exist_ok=True)
    with (output / PAGES).open("w", encoding="utf-8") as file:
        events, received = _replay(messages, Console(file=file, width=PAGE_WIDTH), console, config_dir)
    owed = sum(event["kind"] == "page" for event in events)
    console.print(f"{owed} pages owed, {received} received, {_acknowledged(events)} acknowledged.")
    _write(output, messages, events, site, console)


def _replay(
    messages: list[AnyMessage], pages: Console, console: Console, config_dir: Path | None
) -> tuple[list[dict[str, Any]], int]:
    """Every event of the replay, and the number of pages that the phone received. The phone prints to `pages`."""
    events: list[dict[str, Any]] = []
    with _progress(console) as progress:
        task = progress.add_task("replay", total=1.0)
        with Replay(config_dir=config_dir, on_page=lambda page: print_page(pages, page)) as replay:
            for event in replay.run(messages, People().respond):
                events.append(event)
                _print_other(pages, event)
                progress.update(task, completed=_share(event, messages))
            received = len(replay.phone.received)
        progress.update(task, completed=1.0)
    return events, received


def _progress(console: Console) -> Progress:
    return Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console)


def _share(event: dict[str, Any], messages: list[AnyMessage]) -> float:
    first, last = messages[0].effective, messages[-1].effective
    return min(1.0, (datetime.fromisoformat(event["at"]) - first) / (last - first))


def print_page(console: Console, page: ReceivedPage) -> None:
    """Print one page as the phone shows it. No line is broken, so that the link works in the terminal."""
    urgency = next((name for name in URGENCIES if page.title.startswith(f"[{name.upper()}]")), "low")
    console.print(Rule(escape(page.path.lstrip("/")), align="left", style=COLOURS[urgency]))
    console.print(Text(page.title, style=COLOURS[urgency]), soft_wrap=True)
    console.print(Text(page.body), soft_wrap=True)


def _print_other(console: Console, event: dict[str, Any]) -> None:
    at = event["at"][:16].replace("T", " ")
    if event["kind"] == "acknowledged":
        console.print(f"  [green]{at}  {event['by']} has it ({event['condition']})[/green]")
    elif event["kind"] == "closed":
        console.print(f"  [dim]{at}  {event['condition']} {event['reason']}[/dim]")


def _acknowledged(events: Iterable[dict[str, Any]]) -> int:
    return len({event["episode"] for event in events if event["kind"] == "acknowledged"})


def _write(
    output: Path, messages: list[AnyMessage], events: list[dict[str, Any]], site: Site, console: Console
) -> None:
    course = course_from(messages, events, site.zone, site.tables)
    png = draw(course)
    (output / "course.png").write_bytes(png)
    (output / "course.html").write_text(render(course, png), encoding="utf-8")
    with (output / "events.ndjson").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(event, ensure_ascii=False) + "\n" for event in events)
    console.print(_table(course, console.width))
    names = ("course.png", "course.html", "events.ndjson", PAGES)
    console.print(f"Written to {output}: {', '.join(names)} (every page as the phone shows it)", soft_wrap=True)


def _table(course: Course, width: int) -> Table:
    """One line for each day, so that the table fits on one screen. `course.html` has the full report."""
    table = Table(
        title="Worst grade of each day, beside what the report states",
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for heading in ("day", "CRS", "ICANS", "anaemia", "platelets", "ANC", "m-EASIX"):
        table.add_column(heading, no_wrap=True)
    table.add_column("the report", no_wrap=True, max_width=width - GRADES_WIDTH)
    for row in days(course):
        table.add_row(*_cells(row))
    return table


def _cells(row: DayRow) -> list[str]:
    """Day, grades, m-EASIX (`*`: a treatment confounds it), and the statement of the report."""
    score = "" if row.m_easix is None else f"{row.m_easix:.1f}{'*' if row.confounded else ''}"
    sign = {True: "= ", False: "DIFFERS: ", None: ""}[row.agrees]
    return [f"D{row.day}", *(_grade(row.grades[system]) for system in SYSTEMS), score, sign + row.reported]


def _grade(grade: DayGrade) -> str:
    """The worst grade of the day; and the last one, if it differs."""
    worst, last = ("-" if value is None else str(value) for value in (grade.worst, grade.last))
    return worst if worst == last else f"{worst} > {last}"

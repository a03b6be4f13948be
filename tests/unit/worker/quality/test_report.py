"""The commands on a small seeded cohort: table, JSON, one page with plots, and the comparison with a baseline."""

import re
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from click.testing import CliRunner, Result

from tests.unit.worker.quality.test_measures import TRUTH, outcome, page
from worker.cli import main
from worker.quality import baseline
from worker.quality.baseline import OtherStreamError, beside, lost, read_baseline
from worker.quality.measures import measure
from worker.quality.plots import delays, scatter, ward
from worker.quality.policies import ANY, BASELINE, NAIVE, OURS, StayOutcome
from worker.quality.report import clinical, render

ROME = ZoneInfo("Europe/Rome")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three patients, evaluated with everything that can be written."""
    path = tmp_path_factory.mktemp("alarms")
    assert run("simulate", "--patients", 3, "--days", 9, "--seed", 2, "--output", path).exit_code == 0
    written = ("--json", path / "m.json", "--html", path / "a.html", "--record", path / "b.gz")
    ended = run("evaluate", path / "cohort.ndjson.gz", "--truth", path / "truth.ndjson", *written)
    assert ended.exit_code == 0, ended.output
    (path / "out.txt").write_text(ended.stdout, encoding="utf-8")
    return path


class Tags(HTMLParser):
    """The elements of a page, and those left open."""

    VOID = ("meta", "br", "line", "rect", "circle", "path", "polyline")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID or tag == "rect":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID or tag == "rect":
            assert self.open.pop() == tag


def test_the_page_stands_alone_without_script_or_network(folder: Path) -> None:
    text = (folder / "a.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    names = {tag for tag, _ in tags.seen}
    assert names & {"script", "link", "img", "iframe"} == set()
    assert not re.search(r"https?://|url\(", text)
    assert sum(tag == "svg" for tag, _ in tags.seen) == 3
    assert all(given.get("aria-label") for tag, given in tags.seen if tag == "svg")
    assert "prefers-color-scheme: dark" in text


def test_the_json_holds_every_policy(folder: Path) -> None:
    found = msgspec.json.decode((folder / "m.json").read_bytes())
    assert list(found) == [OURS, "rules without confirmation", NAIVE, "NEWS2 >= 5", "NEWS2 >= 7"]
    assert found[OURS]["burden"]["patient_days"] > 10
    assert [one["name"] for one in found[OURS]["conditions"]][:2] == ["crs >= 1", "crs >= 2"]


def test_the_table_shows_burden_conditions_reasons_and_nights(folder: Path) -> None:
    text = (folder / "out.txt").read_text(encoding="utf-8")
    for heading in ("| policy ", "| condition ", "| urgency, condition, reason", "| responder"):
        assert heading in text


def test_the_same_rules_lose_nothing_against_their_own_baseline(folder: Path) -> None:
    given = ("--truth", folder / "truth.ndjson", "--no-comparators", "--baseline", folder / "b.gz")
    ended = run("evaluate", folder / "cohort.ndjson.gz", *given)
    assert "that are not sent within an hour: 0" in ended.stdout
    rows = [
        line.split("|")[2:] for line in ended.stdout.splitlines() if re.match(rf"\| {OURS} +\||\| {BASELINE}", line)
    ]
    assert rows[0] == rows[1]


def test_a_baseline_of_other_answers_or_another_stream_is_refused(folder: Path) -> None:
    ended = run("evaluate", folder / "cohort.ndjson.gz", "--answer", "never", "--baseline", folder / "b.gz")
    assert "recorded with --answer" in ended.output
    assert ended.exit_code == 1
    with pytest.raises(OtherStreamError, match="another stream"):
        read_baseline(folder / "b.gz", stream="other", answer="x", seed=1)


def test_a_truth_that_is_none_and_an_answer_that_is_none_are_refused(folder: Path) -> None:
    stream = folder / "cohort.ndjson.gz"
    assert "not as `cartwatch simulate` writes it" in run("evaluate", stream, "--truth", stream).output
    assert "lognormal" in run("evaluate", stream, "--answer", "soon").output
    assert run("simulate", "--product", "aspirin").exit_code == 2


def test_the_assumptions_can_be_read_at_the_terminal() -> None:
    text = run("simulate", "--assumptions").stdout
    assert "crs.hypotension_after_fever: [6, 36]" in text


# -- the comparison with a baseline --------------------------------------------------------------------


def compared(ours: list[Any], before: list[Any]) -> StayOutcome:
    one = outcome(*ours)
    return one._replace(pages={OURS: ours, BASELINE: before}, closed={OURS: [], BASELINE: []})


FIRST = {"level": 2, "urgency": "high", "reason": "worse"}


def test_a_first_page_is_lost_if_its_level_is_not_paged_within_an_hour() -> None:
    before = [page(14, **FIRST), page(15, level=1), page(16, **FIRST | {"reason": "repeat"})]
    assert list(lost([compared([page(14.9, level=2)], before)])) == []
    assert list(lost([compared([page(15.1, level=2)], before)])) == before[:1]
    assert list(lost([compared([page(14, level=1)], before)])) == before[:1]
    assert list(lost([compared([page(14, "icans", 3)], before)])) == before[:1]


def test_a_recorded_page_comes_back_as_it_was(tmp_path: Path) -> None:
    known = outcome(page(14.25, **FIRST), page(30, "overdue_vitals", urgency="low", to="worklist"))
    baseline.record(tmp_path / "b.gz", [known], release="1", stream="s", answer="a", seed=1)
    (again,) = beside([known], read_baseline(tmp_path / "b.gz", stream="s", answer="a", seed=1))
    assert again.pages[BASELINE] == known.pages[OURS]


# -- the plots -----------------------------------------------------------------------------------------


def two_policies() -> tuple[dict[str, Any], StayOutcome]:
    one = outcome(page(14.5, **FIRST))
    one = one._replace(
        pages={**one.pages, NAIVE: [page(14 + number / 10, ANY, 1) for number in range(10)]},
        closed={**one.closed, NAIVE: []},
    )
    return {name: measure(name, [one], {"P": TRUTH}, ROME) for name in (OURS, NAIVE)}, one


def test_burden_lies_on_a_logarithmic_axis_and_sensitivity_upwards() -> None:
    plot = scatter(two_policies()[0])
    assert plot is not None
    ours, naive = plot.dots
    assert ours.x < naive.x
    assert ours.y == naive.y == plot.y_ticks[-1].at
    assert [tick.text for tick in plot.x_ticks] == ["10", "100", "1000"]
    assert ours.label_y != naive.label_y


def test_a_curve_of_delays_steps_up_at_each_page() -> None:
    plot = delays(two_policies()[0])
    assert plot is not None
    heights = [float(point.split(",")[1]) for point in plot.curves[0].points.split()]
    assert heights[0] == plot.y_ticks[0].at
    assert heights[-1] == plot.y_ticks[-1].at


def test_the_day_of_the_ward_is_the_one_with_most_pages() -> None:
    early, late = page(10), [page(30), page(31)]
    found = ward([outcome(early, *late)], {"P": TRUTH}, ROME)
    assert found is not None
    assert (found.day, found.pages) == ("13 June", 2)
    assert [cell.grade for cell in found.beds[0].crs] == [1] * 10
    assert found.beds[0].marks[0].words.startswith("06:00 medium: crs (new)")


def test_without_a_truth_the_page_says_that_it_shows_burden_only() -> None:
    one = outcome(page(14))
    found = {OURS: measure(OURS, [one], {}, ROME)}
    text = render(found, [one], {}, ROME, title="<b>own</b>", answer="never", release="1")
    assert "Burden only" in text
    assert "Burden against sensitivity" not in text
    assert "&lt;b&gt;own" in text
    assert one.ends - one.begins == timedelta(days=2)


def test_names_are_written_as_a_clinician_writes_them() -> None:
    assert clinical("crs >= 2") == "CRS ≥ 2"
    assert clinical("high febrile_neutropenia still_on_it") == "high febrile neutropenia still on it"

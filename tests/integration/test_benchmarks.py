"""Each measure of speed runs to its end, in a form too small to say anything; how fast is never asserted."""

import subprocess
import sys
from pathlib import Path

import pytest

from worker.standalone.embedded_redis import EmbeddedRedis

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MEASURES = ("whole_way", "judging", "single_tasks", "page_latency", "page_rate", "growth", "starts", "round_trips")


def run(*arguments: str, script: str = "run.py") -> str:
    command = [sys.executable, str(BENCHMARKS / script), "--tiny", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)  # noqa: S603 - our own command
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout


@pytest.mark.server
@pytest.mark.usefixtures("redis_server")
@pytest.mark.parametrize("measure", MEASURES)
def test_a_measure_runs_and_gives_its_rows(measure: str) -> None:
    said = run("--only", measure, "--fsync", "everysec")
    assert "| measure | ratio or figure | aim |" in said
    assert said.count("| **") >= 1


@pytest.mark.server
@pytest.mark.usefixtures("redis_server")
def test_a_run_and_a_page_take_no_more_round_trips_and_writes_than_documented() -> None:
    """`docs/developers/architecture.md` says what each is for. They are counted, not timed."""
    said = run("--only", "round_trips")
    assert said.count("| met |") == 5
    assert "missed" not in said


@pytest.mark.server
@pytest.mark.usefixtures("redis_server")
def test_the_profile_says_where_the_time_of_a_reading_goes() -> None:
    said = run(script="profiled.py")
    assert "A reading takes" in said


def test_every_measure_is_run_by_default() -> None:
    assert set(MEASURES) == {path.stem for path in BENCHMARKS.glob("*.py") if "def measure(size" in path.read_text()}


@pytest.mark.server
def test_the_table_is_written_between_its_markers(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    del redis_server
    begin, end = "<!-- begin: benchmarks/run.py -->", "<!-- end: benchmarks/run.py -->"
    document = tmp_path / "benchmarks.md"
    document.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    run("--only", "round_trips", "--write", str(document))
    written = document.read_text()
    assert written.startswith(f"before\n{begin}\n")
    assert written.endswith(f"{end}\nafter\n")
    assert "round trips to Redis" in written
    assert "old" not in written

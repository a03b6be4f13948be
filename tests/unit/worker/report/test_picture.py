"""The picture: a PNG, as high as its panels, drawn without a display."""

import subprocess
import sys

import pytest

from alerts.messages import MESSAGE, AnyMessage
from tests.support.replayed_case import ROME, grade, moment, page
from worker.report.course import Course, course_from
from worker.report.lanes import lane_name, lanes, summary
from worker.report.panels import bands, mean_pressure, panels
from worker.report.picture import draw


def size(png: bytes) -> tuple[int, int]:
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


def bare(**fields: object) -> AnyMessage:
    base = {"type": "reading", "id": "m1", "source": "ward", "patient": "P1", "effective": moment(1, "08:00")}
    given = {"reading": "temperature", "value": 37, "unit": "Cel", **fields}
    return MESSAGE.validate_python({**base, **given})


def test_the_picture_is_a_png_that_fits_a_readme_and_a_phone(course: Course) -> None:
    width, height = size(draw(course))
    assert width == 1400
    assert 1500 <= height <= 1800


def test_the_same_course_gives_the_same_picture(course: Course) -> None:
    assert draw(course) == draw(course)


def test_a_course_with_hardly_anything_in_it_can_be_drawn() -> None:
    built = course_from([bare()], [], ROME)
    assert len(panels(built)) == 3
    assert size(draw(built))[1] < 800


def test_an_undetermined_grade_and_an_unknown_urgency_can_be_drawn() -> None:
    events = [
        grade("icans", 1, "08:00", None, patient="P1"),
        grade("crs", 1, "08:00", 5, patient="P1"),
        page(1, "08:00", "unheard of", patient="P1"),
    ]
    assert size(draw(course_from([bare(), bare(id="m2", effective=moment(2, "08:00"))], events, ROME)))


def test_a_stay_of_months_is_drawn_with_fewer_days_named() -> None:
    built = course_from([bare(), bare(id="m2", effective="2024-09-10T08:00:00+02:00")], [], ROME)
    assert size(draw(built))[0] == 1400


def test_a_band_lasts_as_long_as_its_grade(course: Course) -> None:
    crs = bands(course, "crs")
    assert [grade for _, _, grade in crs] == [0, 1, 2, 1, 0, 2, 0]
    assert crs[2][0] == pytest.approx(2 + 8 / 24)
    assert crs[-1][1] == pytest.approx(15 + 11 / 24)


def test_an_equal_grade_printed_again_does_not_split_a_band(messages: list[AnyMessage]) -> None:
    events = [grade("crs", 1, "08:00", 1), grade("crs", 2, "08:00", 1)]
    assert len(bands(course_from(messages, events, ROME), "crs")) == 1


def test_the_mean_pressure_is_computed_only_where_none_is_charted(course: Course) -> None:
    lowest = min(mean_pressure(course), key=lambda sample: sample.value)
    assert course.day(lowest.at) == 2
    assert lowest.value == 60
    charted = course_from([bare(reading="mean_bp", value=71, unit="mm[Hg]")], [], ROME)
    assert [sample.value for sample in mean_pressure(charted)] == [71]


def test_there_is_a_lane_for_all_that_was_given(course: Course) -> None:
    assert lanes(course)[0] == "oxygen"
    assert {"tocilizumab", "dexamethasone", "levetiracetam", "filgrastim"} < set(lanes(course))
    assert lane_name("red_cell_transfusion") == "red cells"


def test_a_lane_ends_with_what_is_counted(course: Course) -> None:
    assert summary(course, "dexamethasone") == "170 mg"
    assert summary(course, "tocilizumab") == "2 ×"
    assert summary(course, "levetiracetam") == ""


def test_importing_the_report_does_not_import_matplotlib() -> None:
    code = "import sys, worker.report.page, worker.report.picture; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603

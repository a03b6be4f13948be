"""What stands in the rows of the ward board."""

from datetime import timedelta

from alerts.overview import most_urgent_first, overview
from tests.support.desk import Desk, words
from tests.support.stored_ward import SITE, reading, registration
from worker.gateway.board_view import ID_LENGTH, shortened
from worker.gateway.context import FOLDER
from worker.report.palette import DAY, NIGHT


def test_ids_that_are_shortened_never_look_the_same() -> None:
    ids = [
        f"0012345678901234567890-{name}-GIAMBATTISTA-{number}" for name in ("ROSSI", "RUSSO") for number in range(12)
    ]
    short = shortened([*ids, "P1"])
    assert short["P1"] == "P1"
    assert len(set(short.values())) == len(ids) + 1


def test_an_id_alone_is_shortened_to_both_of_its_ends() -> None:
    short = shortened(["0012345678901234567890-ROSSI-GIAMBATTISTA"])
    assert list(short.values()) == ["00123456…MBATTISTA"]
    assert all(len(one) <= ID_LENGTH for one in short.values())


def test_what_is_missing_is_no_zero_and_what_is_old_says_so(desk: Desk) -> None:
    at = desk.clock.now()
    desk.send(registration("P1", at), reading("temperature", "36.8", "P1", at))
    desk.clock.forward(hours=4)
    desk.sign_in()
    shown = words(desk.get("/board"))
    assert "older than it should be" not in shown
    assert "–SpO2: none charted" in shown.replace("– ", "–")
    desk.clock.forward(minutes=61)
    desk.sign_in()
    assert "older than it should be" in words(desk.get("/board"))


def test_before_the_infusion_a_grade_is_not_applicable_and_after_it_undetermined(desk: Desk) -> None:
    at = desk.clock.now()
    desk.send(registration("P1", at, infused=(at + timedelta(minutes=5)).isoformat()))
    desk.sign_in()
    shown = words(desk.get("/board"))
    assert shown.count("not applicable") == 2
    assert "undetermined" not in shown
    desk.clock.forward(minutes=5)
    desk.send(reading("heart_rate", 80, "P1", desk.clock.now()))
    shown = words(desk.get("/board"))
    assert "not applicable" not in shown
    assert shown.count("undetermined") == 2


def test_the_service_is_well_only_while_nothing_technical_is_open(desk: Desk) -> None:
    desk.sign_in()
    assert "Service: well" not in words(desk.get("/board"))


def test_the_most_urgent_stands_first_and_bed_9_before_bed_12(desk: Desk) -> None:
    at = desk.clock.now()
    desk.send(registration("a", at, bed="12"), registration("b", at, bed="9"))
    desk.fall_ill("z")
    patients = most_urgent_first(overview(state, SITE) for state in desk.store.states())
    assert [one.state.patient for one in patients] == ["z", "b", "a"]


def test_a_patient_who_has_not_changed_is_not_assessed_again(desk: Desk) -> None:
    desk.fall_ill()
    live = desk.app.state.live
    first = live.overviews(live.look())
    again = live.look()
    assert live.overviews(again)[0] is first[0]
    version = again.version
    desk.send(reading("spo2", 97, "P1", desk.clock.now()))
    assert live.look().version == version + 1


def test_by_day_each_colour_of_the_trend_picture_is_that_of_the_day() -> None:
    css = (FOLDER / "static" / "gateway.css").read_text(encoding="utf-8")
    for night, day in zip(NIGHT[:-1], DAY[:-1], strict=True):
        assert f'.trend [fill="{night}"] {{ fill: {day}; }}' in css
    for grade, tint in NIGHT.grades.items():
        assert f'.trend rect[fill="{tint.fill}"] {{ fill: {DAY.grades[grade].fill}; }}' in css

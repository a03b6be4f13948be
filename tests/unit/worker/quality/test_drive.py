"""A stay of a few messages through the evaluation, its pages counted by hand."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alerts.messages import MESSAGE, AnyMessage
from config.site import Site, load_site
from worker.quality.answers import NOBODY, parse_answer
from worker.quality.drive import CountedPage, drive
from worker.quality.evaluation import Evaluate, EvaluationSettings, on_all_cores, with_hand_charted
from worker.quality.policies import ANY, NAIVE, NEWS2_5, OURS, UNCONFIRMED, StayOutcome, naive, outcome
from worker.quality.stream import Stay, digest, read, read_stays, written

START = datetime.fromisoformat("2024-06-12T10:00:00+02:00")
SITE = load_site()
FAST = parse_answer("fixed 4 min")


def message(type_: str, minutes: float, **fields: Any) -> AnyMessage:
    at = START + timedelta(minutes=minutes)
    body = {"type": type_, "id": f"{type_}{minutes}{fields.get('reading', '')}", "source": "ward", "patient": "P"}
    return MESSAGE.validate_python(body | {"effective": at, "received": at} | fields)


def reading(minutes: float, kind: str, value: float, unit: str, by: str) -> AnyMessage:
    return message("reading", minutes, reading=kind, value=value, unit=unit, by=by)


ADMITTED = message("registration", 0, source="ehr", infused=START)


def fever(minutes: float, value: float = 38.6) -> AnyMessage:
    return reading(minutes, "temperature", value, "Cel", "person")


def saturation(minutes: float, value: float, by: str = "monitor") -> AnyMessage:
    return reading(minutes, "spo2", value, "%", by)


def shown(pages: list[CountedPage]) -> list[tuple[float, str, str, str]]:
    return [((page.at - START) / timedelta(minutes=1), page.condition, page.reason, page.to) for page in pages]


def test_a_fever_is_paged_once_where_somebody_answers() -> None:
    found = drive("P", [ADMITTED, fever(60)], SITE, FAST)
    assert shown(found.pages) == [(60, "crs", "new", "haematologist-1")]
    assert found.pages[0].levels == {"crs": 1}
    assert found.pages[0].urgency == "medium"


def test_where_nobody_answers_it_is_repeated_within_the_hour_after_the_last_message() -> None:
    found = drive("P", [ADMITTED, fever(60)], SITE, NOBODY)
    assert [(minutes, reason) for minutes, _, reason, _ in shown(found.pages)] == [(60, "new"), (90, "repeat")]


def test_a_higher_grade_pages_again_with_its_level() -> None:
    low = reading(120, "systolic_bp", 84, "mm[Hg]", "cuff")
    found = drive("P", [ADMITTED, fever(60), low], SITE, FAST)
    paged = [page for page in found.pages if page.condition == "crs"]
    assert [(page.reason, page.levels["crs"], page.urgency) for page in paged] == [
        ("new", 1, "medium"),
        ("worse", 2, "high"),
    ]


def test_messages_come_in_by_their_received_time() -> None:
    late = fever(60).model_copy(update={"received": START + timedelta(minutes=100)})
    assert shown(drive("P", [ADMITTED, late], SITE, FAST).pages)[0][0] == 100


def test_a_discharge_ends_the_stay_and_what_cannot_be_used_is_counted() -> None:
    odd = reading(30, "temperature", 0, "Cel", "person")
    found = drive("P", [ADMITTED, odd, fever(60), message("discharge", 120, source="ehr")], SITE, NOBODY)
    assert [end.condition for end in found.closed] == ["crs"]
    assert (found.ends - found.begins) == timedelta(minutes=120)
    assert found.dead_letters == 1


# -- what is compared ----------------------------------------------------------------------------------


def compared(*messages: AnyMessage) -> StayOutcome:
    return outcome("P", [ADMITTED, *messages], 0, SITE, FAST, 1, more=True)


def test_without_confirmation_one_value_of_a_monitor_is_enough() -> None:
    found = compared(
        reading(60, "temperature", 38.6, "Cel", "monitor"), reading(65, "temperature", 37, "Cel", "monitor")
    )
    assert found.pages[OURS] == []
    assert [page.condition for page in found.pages[UNCONFIRMED]] == ["crs"]


def test_naive_thresholds_alert_on_each_value_beyond_them() -> None:
    values = (fever(60, 38.0), fever(61, 37.9), saturation(62, 91), saturation(63, 92), saturation(64, 0))
    assert [minutes for minutes, *_ in shown(naive(values))] == [60, 62, 64]
    assert len(compared(*values).pages[NAIVE]) == 3


def test_news2_alerts_when_its_sum_comes_to_the_threshold_until_it_falls_below() -> None:
    ill = [reading(60, "heart_rate", 135, "/min", "person"), saturation(60, 93, "person")]  # 3 and 2
    well = [reading(120, "heart_rate", 80, "/min", "person")]
    again = [reading(180, "heart_rate", 140, "/min", "person")]
    found = compared(*ill, *well, *again)
    assert [(minutes, condition) for minutes, condition, *_ in shown(found.pages[NEWS2_5])] == [(60, ANY), (180, ANY)]
    assert [(end.at - START) / timedelta(minutes=1) for end in found.closed[NEWS2_5]] == [120]


# -- streams -------------------------------------------------------------------------------------------


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    path = tmp_path / "s.ndjson.gz"
    rows = [one.model_dump_json(exclude_none=True).encode() for one in (ADMITTED, fever(60))]
    other = rows[1].replace(b'"P"', b'"Q"')
    with written(path) as lines:
        lines.writelines(row + b"\n" for row in (rows[0], other, b"not json", rows[1], b'{"patient":"P","type":"?"}'))
    return path


def test_stays_are_grouped_by_patient_and_a_line_that_is_no_message_is_counted(stream: Path) -> None:
    stays = read_stays(stream)
    assert [(stay.patient, len(stay.lines)) for stay in stays] == [("P", 3), ("Q", 1)]
    found = read(stays[0])
    assert (len(found.messages), found.unread) == (2, 1)


def test_answers_in_a_stream_are_left_out_because_the_evaluation_gives_its_own() -> None:
    answer = message("acknowledgement", 1, episode="e", by="x")
    stay = Stay("P", [one.model_dump_json(exclude_none=True).encode() for one in (ADMITTED, answer)])
    assert [one.type for one in read(stay).messages] == ["registration"]


def test_a_stream_has_one_digest_and_another_stream_another(stream: Path) -> None:
    stays = read_stays(stream)
    assert digest(stays) == digest(read_stays(stream))
    assert digest(stays) != digest(stays[:1])


def test_all_cores_give_what_one_gives(stream: Path) -> None:
    work = Evaluate(EvaluationSettings(None, FAST, 1, comparators=False))
    stays = read_stays(stream)
    assert list(on_all_cores(work, stays, 2)) == list(on_all_cores(work, stays, 1))


def test_a_source_can_be_named_in_which_a_person_charts_ahead() -> None:
    site: Site = with_hand_charted(SITE, ("icu",))
    assert site.conventions.chart.charted_by_hand.value == ("icu",)
    assert with_hand_charted(SITE, ()) is SITE

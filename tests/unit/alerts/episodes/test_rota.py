"""Who holds a role at a moment: the schedule as written, on the clock on the wall of Rome."""

import timeit
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.episodes.rota import gaps, holders, next_change, spans
from config.rota import DAYS, Role, always
from config.site import OnCall
from config.wall_clock import moment, shown
from tests.support.charts import SITE

ROME = SITE.zone
ROLE = "on_call"


def on_call(**schedule: Any) -> OnCall:
    """The shipped site with one role as written in YAML."""
    return SITE.on_call.model_copy(update={"roles": {ROLE: Role.model_validate(schedule)}})


def rome(text: str, fold: int = 0) -> datetime:
    """A time in Rome; `fold=1`: the second of two."""
    return datetime.fromisoformat(text).replace(tzinfo=ROME, fold=fold)


def held(site: OnCall, text: str, fold: int = 0) -> str:
    return " ".join(holders(site, ROLE, rome(text, fold)))


def test_people_of_a_plain_list_always_hold_it() -> None:
    plain = SITE.on_call.model_copy(update={"roles": {ROLE: Role.model_validate(["a", "b"])}})
    assert holders(plain, ROLE, rome("2026-02-01T03:00")) == ("a", "b")
    assert Role.model_validate(["a", "b"]) == always("a", "b")


def test_nobody_holds_a_role_that_does_not_exist() -> None:
    assert holders(SITE.on_call, "porter", rome("2026-02-01T03:00")) == ()
    assert next_change(SITE.on_call, "porter", rome("2026-02-01T03:00")) is None


# -- rotations -------------------------------------------------------------------------------------

WEEKLY = {"people": ["a", "b", ["c", "d"]], "from": "2026-01-05T08:00", "every": "7 d"}


@pytest.mark.parametrize(
    ("at", "who"),
    [
        ("2026-01-05T07:59", ""),
        ("2026-01-05T08:00", "a"),
        ("2026-01-12T07:59", "a"),
        ("2026-01-12T08:00", "b"),
        ("2026-01-19T08:00", "c d"),
        ("2026-01-26T08:00", "a"),
        # the same hour on the wall through the whole year
        ("2026-06-08T07:59", "a"),
        ("2026-06-08T08:00", "b"),
        ("2026-11-23T07:59", "a"),
        ("2026-11-23T08:00", "b"),
    ],
)
def test_a_week_each_handed_over_on_monday_morning(at: str, who: str) -> None:
    assert held(on_call(rotations=[WEEKLY]), at) == who


@pytest.mark.parametrize(
    ("at", "who"),
    [("T07:59", "b"), ("T08:00", "a"), ("T19:59", "a"), ("T20:00", "b"), ("T23:59", "b")],
)
@pytest.mark.parametrize("day", ["2026-02-03", "2026-03-29", "2026-07-14", "2026-10-25"])
def test_shifts_of_twelve_hours(day: str, at: str, who: str) -> None:
    site = on_call(rotations=[{"people": ["a", "b"], "from": "2026-01-05T08:00", "every": "12 h"}])
    assert held(site, day + at) == who


@pytest.mark.parametrize(
    ("at", "who"),
    [
        ("2026-01-09T23:59", ""),
        ("2026-01-10T00:00", "a"),
        ("2026-01-11T23:59", "a"),
        ("2026-01-12T00:00", ""),
        ("2026-01-17T12:00", "b"),
        ("2026-01-18T12:00", "b"),
        ("2026-01-24T12:00", "a"),
    ],
)
def test_weekends_in_turn(at: str, who: str) -> None:
    weekends = {"people": ["a", "b"], "from": "2026-01-10T00:00", "every": "7 d", "days": ["sat", "sun"]}
    assert held(on_call(rotations=[weekends]), at) == who


@pytest.mark.parametrize(
    ("at", "who"),
    [
        ("2026-01-09T19:59", ""),
        ("2026-01-09T20:00", "a"),
        ("2026-01-10T07:59", "a"),
        ("2026-01-10T08:00", ""),
        # Saturday's night is no Friday's, though it begins on a day of the week end
        ("2026-01-10T20:00", ""),
        ("2026-01-11T07:00", ""),
        ("2026-01-16T23:00", "b"),
        ("2026-01-17T07:00", "b"),
    ],
)
def test_hours_across_midnight_belong_to_the_day_they_begin_on(at: str, who: str) -> None:
    fridays = {
        "people": ["a", "b"],
        "from": "2026-01-09T20:00",
        "every": "7 d",
        "days": ["fri"],
        "hours": "20:00-08:00",
    }
    assert held(on_call(rotations=[fridays]), at) == who


@pytest.mark.parametrize(
    ("at", "who"),
    [("2026-01-10T07:59", ""), ("2026-01-10T08:00", "a"), ("2026-01-12T07:59", "a"), ("2026-01-12T08:00", "")],
)
def test_hours_that_end_when_they_begin_are_a_whole_day(at: str, who: str) -> None:
    days = {"people": ["a"], "from": "2026-01-05T08:00", "every": "7 d", "days": ["sat", "sun"], "hours": "08:00-08:00"}
    assert held(on_call(rotations=[days]), at) == who


def test_several_layers_are_on_duty_together_each_once() -> None:
    nights = {"people": ["n", "a"], "from": "2026-01-05T20:00", "every": "1 d", "hours": "20:00-08:00"}
    site = on_call(rotations=[WEEKLY, nights], always=["z"])
    assert held(site, "2026-01-05T12:00") == "a"
    assert held(site, "2026-01-05T21:00") == "a n"
    assert held(site, "2026-01-06T21:00") == "a"
    assert held(site, "2026-01-04T12:00") == "z"


# -- overrides -------------------------------------------------------------------------------------

CHRISTMAS = {"from": "2026-12-24T20:00", "until": "2026-12-25T08:00", "people": ["x", "y"], "why": "Christmas"}


@pytest.mark.parametrize(
    ("at", "who"),
    [
        ("2026-12-24T19:59:59", "c d"),
        ("2026-12-24T20:00:00", "x y"),
        ("2026-12-25T07:59:59", "x y"),
        ("2026-12-25T08:00:00", "c d"),
    ],
)
def test_an_override_holds_from_its_first_moment_up_to_its_last(at: str, who: str) -> None:
    assert held(on_call(rotations=[WEEKLY], overrides=[CHRISTMAS]), at) == who


def test_where_overrides_overlap_all_hold() -> None:
    ill = {"from": "2026-12-20T08:00", "until": "2026-12-27T08:00", "people": "e", "why": "c is ill"}
    site = on_call(rotations=[WEEKLY], overrides=[CHRISTMAS, ill])
    assert held(site, "2026-12-24T21:00") == "x y e"
    assert held(site, "2026-12-25T21:00") == "e"


# -- daylight saving -------------------------------------------------------------------------------


def handed_over_at(hour: str) -> OnCall:
    """From a to b at an hour of the day of the switch, every year's day the same."""
    return on_call(rotations=[{"people": ["a", "b"], "from": f"2026-01-01T{hour}", "every": "1 d"}])


def test_in_the_hour_that_comes_twice_the_first_pass_counts() -> None:
    site = handed_over_at("02:30")
    assert held(site, "2026-10-25T02:29", fold=0) == "a"
    assert held(site, "2026-10-25T02:30", fold=0) == "b"
    assert held(site, "2026-10-25T02:00", fold=1) == "b"
    assert held(site, "2026-10-25T02:29", fold=1) == "b"
    assert held(site, "2026-10-25T02:45", fold=1) == "b"
    assert next_change(site, ROLE, rome("2026-10-25T01:00")) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_in_the_hour_that_is_left_out_the_hand_over_is_at_the_turn_of_the_clock() -> None:
    site = handed_over_at("02:30")
    turn = datetime(2026, 3, 29, 1, tzinfo=UTC)
    before, after = (" ".join(holders(site, ROLE, at)) for at in (turn - timedelta(microseconds=1), turn))
    assert (before, after) == ("a", "b")
    assert next_change(site, ROLE, turn - timedelta(hours=1)) == turn


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-28T20:00", 11), ("2026-10-24T20:00", 13), ("2026-05-05T20:00", 12)]
)
def test_a_night_is_an_hour_shorter_or_longer_and_ends_at_the_same_hour(day: str, hours: int) -> None:
    night = {"people": ["n"], "from": "2026-01-01T20:00", "every": "1 d", "hours": "20:00-08:00"}
    found = list(spans(on_call(rotations=[night]), ROLE, rome(day), rome(day) + timedelta(days=1)))
    assert found[0].people == ("n",)
    assert found[0].until - rome(day).astimezone(UTC) == timedelta(hours=hours)
    assert found[0].until.astimezone(ROME).hour == 8


@pytest.mark.parametrize("switch", ["2026-03-28T12:00", "2026-10-24T12:00"])
@pytest.mark.parametrize("hour", ["02:00", "02:30", "03:00", "08:00"])
def test_day_and_night_that_meet_on_paper_meet_in_fact(switch: str, hour: str) -> None:
    layers = [
        {"people": ["d"], "from": "2026-01-01T00:00", "every": "1 d", "hours": f"{hour}-20:00"},
        {"people": ["n"], "from": "2026-01-01T00:00", "every": "1 d", "hours": f"20:00-{hour}"},
    ]
    found = list(spans(on_call(rotations=layers), ROLE, rome(switch), rome(switch) + timedelta(days=2)))
    assert [span.people for span in found] == [("d",), ("n",), ("d",), ("n",), ("d",)]


# -- changes and gaps ------------------------------------------------------------------------------


def test_the_next_change_is_the_next_hand_over() -> None:
    assert next_change(on_call(rotations=[WEEKLY]), ROLE, rome("2026-01-06T10:00")) == rome("2026-01-12T08:00")
    assert next_change(on_call(rotations=[WEEKLY]), ROLE, rome("2026-01-12T08:00")) == rome("2026-01-19T08:00")


def test_before_the_first_hand_over_it_is_that_one() -> None:
    assert next_change(on_call(rotations=[WEEKLY]), ROLE, rome("2025-12-01T10:00")) == rome("2026-01-05T08:00")


@pytest.mark.parametrize(
    "schedule",
    [
        {"always": ["a"]},
        {"rotations": [{**WEEKLY, "people": ["a"]}]},
        {"rotations": [{**WEEKLY, "people": ["a", "a"]}]},
    ],
)
def test_where_nobody_else_comes_there_is_no_change(schedule: dict[str, Any]) -> None:
    assert next_change(on_call(**schedule), ROLE, rome("2026-01-06T10:00")) is None


def test_gaps_are_the_times_nobody_holds_it() -> None:
    nights = {
        "people": ["n"],
        "from": "2026-01-05T20:00",
        "every": "1 d",
        "hours": "20:00-08:00",
        "days": ["mon", "tue"],
    }
    found = gaps(on_call(rotations=[nights]), ROLE, rome("2026-01-05T12:00"), rome("2026-01-12T21:00"))
    assert found == [
        (rome("2026-01-05T12:00"), rome("2026-01-05T20:00")),
        (rome("2026-01-06T08:00"), rome("2026-01-06T20:00")),
        (rome("2026-01-07T08:00"), rome("2026-01-12T20:00")),
    ]


def test_where_somebody_always_holds_it_there_is_no_gap() -> None:
    site = on_call(rotations=[{**WEEKLY, "days": ["mon"]}], always=["z"])
    assert gaps(site, ROLE, rome("2026-01-01T00:00"), rome("2027-01-01T00:00")) == []


def test_asking_is_cheap() -> None:
    site = on_call(rotations=[WEEKLY] * 3, overrides=[CHRISTMAS] * 10, always=["z"])
    at = rome("2026-06-06T06:06")
    assert min(timeit.repeat(lambda: holders(site, ROLE, at), number=100, repeat=5)) / 100 < 0.001


# -- at every time exactly what the definition says --------------------------------------------------

PEOPLE = [["a"], ["b"], ["c", "d"], ["e"]]
half_hours = st.integers(0, 47).map(lambda number: f"{number // 2:02d}:{number % 2 * 30:02d}")
weeks = st.sampled_from(["2026-03-26", "2026-10-22", "2026-06-01"]).map(datetime.fromisoformat)


@st.composite
def rotations(draw: st.DrawFn, first: datetime) -> dict[str, Any]:
    start = first + timedelta(minutes=30 * draw(st.integers(-200, 100)))
    rotation: dict[str, Any] = {
        "people": draw(st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=4)),
        "from": start,
    }
    rotation["every"] = f"{draw(st.sampled_from([1, 8, 12, 24, 36, 168]))} h"
    if draw(st.booleans()):
        rotation["days"] = draw(st.lists(st.sampled_from(DAYS), min_size=1, unique=True))
    if draw(st.booleans()):
        rotation["hours"] = f"{draw(half_hours)}-{draw(half_hours)}"
    return rotation


def by_hand(schedule: Mapping[str, Any], wall: datetime) -> set[str]:
    """The definition, slowly: hand-overs one by one, and every duty of these weeks written out."""
    instead = {p for o in schedule["overrides"] if o["from"] <= wall < o["until"] for p in o["people"]}
    if instead:
        return instead
    duty: set[str] = set()
    for rotation in schedule["rotations"]:
        handed, turn = rotation["from"], -1
        step = timedelta(hours=int(rotation["every"].split()[0]))
        while handed <= wall:
            handed, turn = handed + step, turn + 1
        begin, end = rotation.get("hours", "00:00-24:00").split("-")
        for back in (0, 1):
            day = datetime.combine(wall, time.min) - timedelta(days=back)
            opens, closes = (day + timedelta(hours=int(text[:2]), minutes=int(text[3:])) for text in (begin, end))
            if closes <= opens:
                closes += timedelta(days=1)
            listed = day.strftime("%a").lower() in rotation.get("days", DAYS)
            if turn >= 0 and listed and opens <= wall < closes:
                duty |= set(rotation["people"][turn % len(rotation["people"])])
    return duty or set(schedule["always"])


@settings(max_examples=60)
@given(st.data())
def test_at_every_time_exactly_what_the_definition_says(data: st.DataObject) -> None:
    first = data.draw(weeks)
    schedule: dict[str, Any] = {"rotations": data.draw(st.lists(rotations(first), min_size=1, max_size=3))}
    lengths = st.tuples(st.integers(0, 200), st.integers(1, 90))
    schedule["overrides"] = [
        {
            "from": first + timedelta(minutes=30 * begin),
            "until": first + timedelta(minutes=30 * (begin + length)),
            "people": ["x"],
            "why": "w",
        }
        for begin, length in data.draw(st.lists(lengths, max_size=2))
    ]
    schedule["always"] = data.draw(st.sampled_from([[], ["z"]]))
    site = on_call(**schedule)
    start = moment(first, ROME)
    until = start + timedelta(days=5)
    walked = {span.start: set(span.people) for span in spans(site, ROLE, start, until)}
    at, current = start, walked[start]
    while at < until:
        current = walked.get(at, current)
        # The wall shows each time of the second pass only once; before it stands what the first pass ended with.
        expected = by_hand(schedule, shown(at, ROME))
        assert set(holders(site, ROLE, at)) == expected == current, at.astimezone(ROME)
        at += timedelta(minutes=30)

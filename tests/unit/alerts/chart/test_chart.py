"""The chart: the same set of messages is the same chart, corrections take hold, old entries thin out."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import permutations
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.chart.admission import Admission
from alerts.chart.chart import REJECTED_KEPT, Chart
from alerts.chart.contents import RejectedValue
from alerts.chart.entry import Entry
from alerts.message_fields import Status
from tests.support.charts import INFUSED, NOW, SITE, absent, chart, day, dose, hours, reading, statement

ROME = ZoneInfo("Europe/Rome")


class Folded(NamedTuple):
    """One message as the chart sees it."""

    value: int
    at: datetime = NOW
    id: str = "a"
    status: Status = Status.FINAL
    received: datetime = NOW
    supersedes: str = ""
    kind: str = "crp"


def fold(*messages: Folded, into: Chart | None = None) -> Chart:
    folded = into or Chart()
    for message in messages:
        entry = Entry(message.at, "lab", message.id, value=Decimal(message.value), status=message.status)
        folded = folded.fold(message.kind, entry, received=message.received, supersedes=message.supersedes)
    return folded


def values(folded: Chart, kind: str = "crp") -> list[int]:
    return [int(entry.value) for entry in folded.entries.get(kind, ()) if entry.value is not None]


# -- order, batching, repetition -------------------------------------------------------------------


def test_entries_stand_in_order_of_their_effective_time() -> None:
    folded = fold(Folded(2, NOW, "b"), Folded(1, NOW - hours(1), "a"), Folded(3, NOW + hours(1), "c"))
    assert values(folded) == [1, 2, 3]


def test_entries_of_one_time_stand_in_order_of_source_and_id() -> None:
    for order in permutations([Folded(1, id="a"), Folded(2, id="b"), Folded(3, id="c")]):
        assert values(fold(*order)) == [1, 2, 3]


def test_a_repeated_message_changes_nothing() -> None:
    once = fold(Folded(1))
    assert fold(Folded(1), into=once) == once


MINUTES = st.integers(min_value=-20 * 24 * 60, max_value=0)
FINALS = st.lists(st.tuples(MINUTES, st.integers(0, 9), st.sampled_from(["crp", "ldh"])), min_size=1, max_size=60)


@settings(max_examples=60)
@given(FINALS, st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_of_final_readings_is_the_same_chart(
    drawn: list[tuple[int, int, str]], rng: object
) -> None:
    messages = [
        Folded(value, NOW + timedelta(minutes=minute), str(number), kind=kind)
        for number, (minute, value, kind) in enumerate(drawn)
    ]
    shuffled = [*messages, *messages[::3]]
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert fold(*shuffled) == fold(*messages)


RECENT = st.lists(
    st.tuples(st.integers(-180, 0), st.sampled_from("abc"), st.sampled_from(Status), st.integers(0, 3)),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60)
@given(RECENT, st.randoms(use_true_random=False))
def test_any_order_of_corrections_of_recent_readings_holds_the_same_entries(
    drawn: list[tuple[int, str, Status, int]], rng: object
) -> None:
    effective = {name: NOW + timedelta(minutes=minute) for minute, name, _, _ in drawn}
    messages = [
        Folded(10 * status + version, effective[name], name, status, NOW + timedelta(minutes=version))
        for _, name, status, version in drawn
        if status is not Status.FINAL or version == 0
    ]
    shuffled = list(messages)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = fold(*messages), fold(*shuffled)
    assert (one.entries, one.newest) == (other.entries, other.newest)


VERSIONS = st.lists(
    st.tuples(st.integers(-120, 0), st.sampled_from("ab"), st.sampled_from(Status), st.integers(0, 4)),
    min_size=1,
    max_size=8,
)


@settings(max_examples=100)
@given(VERSIONS, st.randoms(use_true_random=False))
def test_any_order_of_versions_that_move_a_reading_in_time_holds_the_same_entries(
    drawn: list[tuple[int, str, Status, int]], rng: object
) -> None:
    messages = [
        Folded(10 * status + number, NOW + timedelta(minutes=minute), name, status, NOW + timedelta(minutes=received))
        for number, (minute, name, status, received) in enumerate(drawn)
    ]
    shuffled = [*messages, *messages[::2]]
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = fold(*messages), fold(*shuffled)
    assert (one.entries, one.newest) == (other.entries, other.newest)
    held = [entry.id for entry in one.entries.get("crp", ())]
    assert len(held) == len(set(held))


# -- versions of one message -----------------------------------------------------------------------

PRELIMINARY = Folded(1, status=Status.PRELIMINARY)
FINAL = Folded(2, status=Status.FINAL, received=NOW + hours(1))
CORRECTED = Folded(3, status=Status.CORRECTED, received=NOW + hours(2))
CORRECTED_AGAIN = Folded(4, status=Status.CORRECTED, received=NOW + hours(3))
IN_ERROR = Folded(0, status=Status.ENTERED_IN_ERROR, received=NOW + hours(4))


@pytest.mark.parametrize(
    ("versions", "held"),
    [
        ((PRELIMINARY, FINAL), [2]),
        ((PRELIMINARY, FINAL, CORRECTED), [3]),
        ((FINAL, CORRECTED, CORRECTED_AGAIN), [4]),
        ((PRELIMINARY, CORRECTED), [3]),
        ((PRELIMINARY, IN_ERROR), []),
        ((FINAL, CORRECTED, IN_ERROR), []),
        ((PRELIMINARY, FINAL, CORRECTED, IN_ERROR), []),
    ],
)
def test_the_highest_status_holds_and_of_equals_the_one_received_later(
    versions: tuple[Folded, ...], held: list[int]
) -> None:
    for order in permutations(versions):
        assert values(fold(*order)) == held
        assert values(fold(*order, *order)) == held


def test_a_correction_may_move_a_reading_in_time() -> None:
    folded = fold(Folded(1), CORRECTED._replace(at=NOW - hours(2)))
    assert [entry.effective for entry in folded.entries["crp"]] == [NOW - hours(2)]


MOVED = Folded(90, NOW - hours(0.5), received=NOW + hours(1))
"""The same message as one of `NOW`, sent again an hour later with another effective time."""


@pytest.mark.parametrize("moved", [MOVED, MOVED._replace(at=NOW), MOVED._replace(at=NOW + hours(0.5))])
def test_of_two_finals_of_one_message_the_one_received_later_holds(moved: Folded) -> None:
    for order in permutations([Folded(95), moved]):
        assert values(fold(*order)) == [90]
        assert values(fold(*order, *order)) == [90]


def test_finals_received_at_one_time_hold_one_of_them_in_any_order() -> None:
    one, other = [fold(*order) for order in permutations([Folded(95), MOVED._replace(received=NOW)])]
    assert one == other
    assert len(values(one)) == 1


@pytest.mark.parametrize("other", [MOVED._replace(id="b"), MOVED._replace(kind="ldh")])
def test_finals_of_two_messages_or_kinds_are_both_charted(other: Folded) -> None:
    assert [len(series) for series in fold(Folded(95), other).entries.values()] in ([2], [1, 1])


def test_a_final_sent_again_is_no_version_of_another_sources_message() -> None:
    other = Entry(NOW, "point-of-care", "a", value=Decimal(7))
    assert values(fold(MOVED, into=Chart().fold("crp", other, received=NOW))) == [90, 7]


@pytest.mark.parametrize(("earlier", "held"), [(2, [90]), (2.01, [95, 90])])
def test_beyond_the_full_resolution_two_finals_of_one_message_are_both_charted(earlier: float, held: list[int]) -> None:
    for order in permutations([Folded(95, NOW - hours(earlier)), MOVED._replace(at=NOW)]):
        assert values(fold(*order)) == held


def test_when_a_message_was_received_is_kept_only_within_the_full_resolution() -> None:
    late = [Folded(number, NOW - hours(number), str(number), received=NOW + hours(1)) for number in (5, 1)]
    assert [entry.received for entry in fold(*late).entries["crp"]] == [None, NOW + hours(1)]
    assert fold(*late) == fold(*reversed(late))


def test_a_correction_leaves_the_messages_of_other_sources_alone() -> None:
    other = Entry(NOW, "point-of-care", "a", value=Decimal(7))
    folded = fold(FINAL, IN_ERROR, into=Chart().fold("crp", other, received=NOW))
    assert values(folded) == [7]


def test_a_message_that_supersedes_another_replaces_it_in_any_order() -> None:
    replacing = Folded(5, id="b", supersedes="a", received=NOW + hours(1))
    for order in permutations([Folded(1), replacing]):
        assert values(fold(*order)) == [5]


def test_a_withdrawn_reading_leaves_no_trace_but_its_version() -> None:
    assert fold(FINAL, IN_ERROR).entries == {}


def test_the_newest_time_counts_a_withdrawn_reading_in_any_order() -> None:
    old = Folded(9, NOW - hours(30), "old")
    first, *others = [fold(*order) for order in permutations([old, FINAL, IN_ERROR])]
    assert first.newest == NOW
    assert all(other == first for other in others)


# -- thinning --------------------------------------------------------------------------------------


def monitor(number: int, every: timedelta, kind: str = "heart_rate") -> Chart:
    """Readings that rise and fall, ending now."""
    messages = [Folded((index * 37) % 101, NOW - index * every, f"{index:06}", kind=kind) for index in range(number)]
    return fold(*reversed(messages))


def test_the_last_two_hours_are_kept_whole() -> None:
    folded = monitor(8 * 60, timedelta(minutes=1))
    assert len(folded.between("heart_rate", NOW - hours(2), NOW)) == 121


def test_an_old_hour_keeps_its_lowest_highest_first_and_last() -> None:
    start = NOW - hours(10)
    hour = [
        Folded(value, start + timedelta(minutes=5 * index), str(index))
        for index, value in enumerate([50, 60, 90, 70, 20, 80, 55])
    ]
    assert values(fold(*hour, Folded(1, NOW, "now"))) == [50, 90, 20, 55, 1]


def test_an_old_hour_keeps_every_code_that_was_charted() -> None:
    start = NOW - hours(10)
    codes = ["none", "nasal_cannula", "none", "face_mask", "none"]
    items = [reading("oxygen_device", code, start + timedelta(minutes=index)) for index, code in enumerate(codes)]
    kept = chart(*items, reading("oxygen_device", "none", NOW)).entries["oxygen_device"]
    assert {entry.code for entry in kept} == {"none", "nasal_cannula", "face_mask"}


def test_no_dose_is_ever_dropped() -> None:
    doses = [dose("dexamethasone", NOW - hours(200) + timedelta(minutes=index)) for index in range(9)]
    kept = chart(*doses, reading("crp", 1, NOW)).entries["dexamethasone"]
    assert [entry.effective for entry in kept] == [entry.effective for _, entry in doses]


def test_thinning_keeps_a_lonely_reading_for_the_whole_stay() -> None:
    assert values(fold(Folded(7, day(-5), "old"), Folded(1, day(30), "new"))) == [7, 1]


def test_a_month_of_readings_each_minute_stays_small() -> None:
    week = monitor(7 * 24 * 60, timedelta(minutes=1))
    month = fold(
        *(
            Folded(index % 97, NOW + timedelta(minutes=index), f"x{index:06}", kind="heart_rate")
            for index in range(0, 21 * 24 * 60, 7)
        ),
        into=week,
    )
    assert len(month.entries["heart_rate"]) < 600


def test_a_late_reading_in_an_old_hour_is_placed_and_thinned_with_it() -> None:
    start = NOW - hours(10)
    hour = [Folded(value, start + timedelta(minutes=5 * index), str(index)) for index, value in enumerate([50, 60, 55])]
    folded = fold(*hour, Folded(1, NOW, "now"), Folded(99, start + timedelta(minutes=7), "late"))
    assert values(folded) == [50, 99, 55, 1]


# -- the admission ---------------------------------------------------------------------------------


def test_the_registration_with_the_latest_effective_time_holds_in_any_order() -> None:
    early = Admission(effective=day(-7), ward="A")
    late = Admission(effective=day(-1), ward="B", infused=INFUSED)
    assert Chart().admit(early).admit(late).admission == late
    assert Chart().admit(late).admit(early).admission == late


@pytest.mark.parametrize(
    ("at", "since"),
    [
        (INFUSED, 0),
        (datetime(2024, 6, 11, 21, 59, tzinfo=UTC), -1),
        (datetime(2024, 6, 11, 22, 0, tzinfo=UTC), 0),
        (datetime(2024, 6, 12, 21, 59, tzinfo=UTC), 0),
        (datetime(2024, 6, 12, 22, 0, tzinfo=UTC), 1),
        (day(30), 30),
        (day(-5), -5),
    ],
)
def test_day_0_is_the_calendar_day_of_infusion_in_the_hospitals_zone(at: datetime, since: int) -> None:
    assert chart().day(at, ROME) == since


def test_days_are_counted_by_the_calendar_across_a_change_of_clocks() -> None:
    infused = datetime(2024, 10, 26, 20, 0, tzinfo=UTC)
    assert chart(infused=infused).day(datetime(2024, 10, 27, 22, 30, tzinfo=UTC), ROME) == 1
    assert chart(infused=infused).day(datetime(2024, 10, 27, 23, 0, tzinfo=UTC), ROME) == 2


def test_without_an_infusion_there_is_no_day() -> None:
    assert chart(infused=None).day(NOW, ROME) is None
    assert Chart().day(NOW, ROME) is None


@pytest.mark.parametrize(
    ("born", "age"),
    [
        (date(2012, 6, 17), 12),
        (date(2012, 6, 18), 11),
        (date(2012, 6, 16), 12),
        (date(2024, 6, 17), 0),
        (date(2012, 2, 29), 12),
        (None, None),
    ],
)
def test_age_is_in_completed_years(born: date | None, age: int | None) -> None:
    assert Admission(effective=NOW, born=born).age(NOW) == age


# -- rejected --------------------------------------------------------------------------------------


def rejected(number: int) -> RejectedValue:
    return RejectedValue(
        NOW + timedelta(minutes=number), "crp", str(number), "the unit is missing", "lab", f"{number:03}"
    )


def test_rejected_values_are_kept_once_and_in_order() -> None:
    folded = Chart().reject(rejected(2)).reject(rejected(1)).reject(rejected(2))
    assert folded.rejected == (rejected(1), rejected(2))


def test_only_the_latest_rejected_values_are_kept() -> None:
    folded = Chart()
    for number in range(REJECTED_KEPT + 5):
        folded = folded.reject(rejected(number))
    assert folded.rejected == tuple(rejected(number) for number in range(5, REJECTED_KEPT + 5))
    assert folded.reject(rejected(0)) == folded


# -- reading the chart -----------------------------------------------------------------------------

SERIES = chart(*(reading("crp", number, NOW + hours(number)) for number in range(-3, 4)))


def test_until_gives_everything_up_to_and_including_a_time() -> None:
    assert [int(entry.value or 0) for entry in SERIES.until("crp", NOW)] == [-3, -2, -1, 0]
    assert SERIES.until("crp", NOW - hours(5)) == ()
    assert len(SERIES.until("crp", NOW + hours(9))) == 7
    assert SERIES.until("ldh", NOW) == ()


def test_between_includes_both_ends() -> None:
    found = SERIES.between("crp", NOW - hours(1), NOW + hours(1))
    assert [int(entry.value or 0) for entry in found] == [-1, 0, 1]
    assert SERIES.between("ldh", NOW, NOW) == ()


def test_latest_is_the_last_up_to_a_time_while_it_holds() -> None:
    latest = SERIES.latest("crp", NOW + hours(0.5))
    assert latest is not None
    assert latest.effective == NOW
    assert SERIES.latest("crp", NOW + hours(5), hours(2)) is not None
    assert SERIES.latest("crp", NOW + hours(5.1), hours(2)) is None
    assert SERIES.latest("crp", NOW - hours(9)) is None


@pytest.mark.parametrize("item", [reading("ice", 9, NOW - hours(2)), reading("consciousness", "voice", NOW - hours(2))])
def test_latest_passes_over_the_reason_why_there_is_no_value(item: tuple[str, Entry]) -> None:
    folded = chart(item, absent(item[0], "asleep"))
    assert folded.latest(item[0], NOW) == item[1]
    assert folded.latest(item[0], NOW, hours(1)) is None


def test_a_statement_says_what_it_said_last_until_it_lapses() -> None:
    folded = chart(statement("hypotension", True, NOW - hours(5)), statement("hypotension", False, NOW))
    assert folded.says("hypotension", NOW - hours(1)) is True
    assert folded.says("hypotension", NOW) is False
    assert folded.says("hypotension", NOW + hours(3), hours(2)) is None
    assert folded.says("hypoxia", NOW) is None


def test_given_lists_doses_and_starts_oldest_first_without_the_stops() -> None:
    folded = chart(
        dose("norepinephrine", NOW - hours(1), "started"),
        dose("tocilizumab", NOW - hours(3)),
        dose("norepinephrine", NOW, "stopped"),
        dose("tocilizumab", NOW + hours(1)),
    )
    found = folded.given(("norepinephrine", "tocilizumab"), NOW)
    assert [drug for drug, _ in found] == ["tocilizumab", "norepinephrine"]


@pytest.mark.parametrize(
    ("action", "age", "runs"),
    [
        ("started", 1, True),
        ("started", 100, True),
        ("stopped", 1, False),
        ("given", 12, True),
        ("given", 12.1, False),
    ],
)
def test_an_infusion_runs_until_stopped_and_a_single_dose_for_a_while(action: str, age: float, runs: bool) -> None:
    folded = chart(dose("norepinephrine", NOW - hours(age), action))
    assert bool(folded.running(("norepinephrine",), NOW, hours(12))) is runs


def test_times_are_distinct_and_in_order() -> None:
    folded = chart(reading("ldh", 1, NOW), reading("crp", 1, NOW), reading("crp", 2, NOW - hours(1)))
    assert folded.times(("ldh", "crp"), NOW) == [NOW - hours(1), NOW]


@pytest.mark.parametrize(
    ("doses", "runs"),
    [
        ((("started", 20), ("given", 19)), "started"),
        ((("given", 20), ("started", 19), ("given", 18), ("given", 1)), "started"),
        ((("started", 20), ("stopped", 14), ("given", 11)), "given"),
        ((("started", 20), ("given", 13), ("stopped", 1)), None),
        ((("given", 13),), None),
        ((("given", 12),), "given"),
    ],
)
def test_a_bolus_neither_ends_an_infusion_nor_outlives_its_stop(
    doses: tuple[tuple[str, float], ...], runs: str | None
) -> None:
    folded = chart(*(dose("norepinephrine", NOW - hours(age), action) for action, age in doses))
    running = folded.running(("norepinephrine",), NOW, hours(12))
    assert [entry.code for _, entry in running] == ([runs] if runs else [])


@pytest.mark.parametrize(("left", "runs"), [(3, True), (2, False), (1, False), (-1, True)])
def test_no_infusion_outlives_the_stay(left: float, runs: bool) -> None:
    folded = chart(dose("norepinephrine", NOW - hours(2), "started")).discharge(NOW - hours(left))
    assert bool(folded.running(("norepinephrine",), NOW, hours(12))) is runs
    retracted = folded.undo_discharge(NOW - hours(left))
    assert retracted.running(("norepinephrine",), NOW, hours(12))


def test_the_entries_of_one_time_are_found_and_no_others() -> None:
    folded = chart(*(reading("spo2", 90 + age, NOW - hours(age)) for age in (2, 1, 0)))
    folded = folded.fold(*reading("spo2", 99, NOW - hours(1), source="other"), received=NOW)
    assert {entry.value for entry in folded.at("spo2", NOW - hours(1))} == {91, 99}
    assert list(folded.at("spo2", NOW + hours(1))) == list(folded.at("spo2", NOW - hours(0.5))) == []


def test_a_day_whose_last_value_is_not_usable_is_left_out_of_the_baseline() -> None:
    values = ((120, day(-3)), (110, day(-2)), (60, day(-2) + hours(3)))
    folded = chart(*(reading("systolic_bp", value, at) for value, at in values))
    assert folded.baseline("systolic_bp", timedelta(days=14), lambda entry: entry.value != 60) == 120


def test_baseline_is_the_median_before_infusion_within_the_window() -> None:
    folded = chart(
        reading("systolic_bp", 200, day(-15)),
        reading("systolic_bp", 110, day(-14)),
        reading("systolic_bp", 120, day(-3)),
        reading("systolic_bp", 130, day(-1)),
        reading("systolic_bp", 80, INFUSED),
        reading("systolic_bp", 70, day(1)),
    )
    assert folded.baseline("systolic_bp", timedelta(days=14)) == 120


def test_a_baseline_takes_no_bounds_and_needs_an_infusion_and_a_reading() -> None:
    bound = reading("crp", "<5", day(-1))
    assert chart(bound).baseline("crp", timedelta(days=14)) is None
    assert chart(reading("crp", 5, day(-1)), infused=None).baseline("crp", timedelta(days=14)) is None
    assert chart(bound, reading("crp", 7, day(-2))).baseline("crp", timedelta(days=14)) == 7


def test_times_of_any_offset_are_the_same_instant() -> None:
    rome = NOW.astimezone(timezone(timedelta(hours=2)))
    assert [int(entry.value or 0) for entry in SERIES.until("crp", rome)] == [-3, -2, -1, 0]
    assert chart().day(rome, SITE.zone) == 5


# -- censored values -------------------------------------------------------------------------------


def entry(text: str) -> Entry:
    return reading("crp", text)[1]


@pytest.mark.parametrize(
    ("text", "below", "above", "at_least"),
    [
        ("4", True, False, False),
        ("5", False, False, True),
        ("6", False, True, True),
        ("<4", True, False, False),
        ("<5", True, False, False),
        ("<6", None, None, None),
        ("<=4", True, False, False),
        ("<=5", None, False, None),
        ("<=6", None, None, None),
        (">4", None, None, None),
        (">5", False, True, True),
        (">6", False, True, True),
        (">=4", None, None, None),
        (">=5", False, None, True),
        (">=6", False, True, True),
    ],
)
def test_a_bound_answers_only_what_it_decides(
    text: str, below: bool | None, above: bool | None, at_least: bool | None
) -> None:
    found = entry(text)
    five = Decimal(5)
    assert (found.below(five), found.above(five), found.at_least(five)) == (below, above, at_least)


def test_an_entry_without_a_number_answers_nothing() -> None:
    found = absent("crp", "clotted")[1]
    assert (found.below(Decimal(5)), found.above(Decimal(5)), found.at_least(Decimal(5))) == (None, None, None)

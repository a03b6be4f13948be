"""Thinning within the full resolution: bounded whatever is sent, and the same in any order and any batches."""

import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

import pytest

from alerts.chart.buckets import FRESH
from alerts.chart.chart import Chart
from alerts.chart.draft import ChartDraft
from alerts.chart.entry import Entry
from alerts.chart.thinning import BY_HAND_KEPT, SENDERS_KEPT
from alerts.message_fields import Status
from tests.support.charts import NOW, hours

MINUTE = NOW - hours(1)
"""A minute that is kept by the minute: older than the last ones, younger than the full resolution."""


class Sent(NamedTuple):
    """One message as the chart sees it; its id is where it stands among all."""

    id: str
    second: int
    value: str
    kind: str = "heart_rate"
    source: str = "monitor-1"
    by: str = "monitor"
    status: Status = Status.FINAL

    @property
    def entry(self) -> Entry:
        at = MINUTE + timedelta(seconds=self.second)
        if self.kind == "oxygen_device":
            return Entry(at, self.source, self.id, code=self.value, by=self.by, status=self.status)
        return Entry(at, self.source, self.id, value=Decimal(self.value), by=self.by, status=self.status)


LATEST = Sent("latest", 3600, "80")
"""Keeps the others at their age."""


def placed(*batches: Sequence[Sent], into: Chart | None = None) -> Chart:
    """A chart after these batches, each thinned once."""
    chart = into or Chart()
    for batch in batches:
        draft = ChartDraft(chart)
        for sent in batch:
            draft.place(sent.kind, sent.entry, received=sent.entry.effective)
        chart = draft.chart().thinned(chart, [(sent.kind, sent.entry.effective) for sent in batch])
    return chart


def kept(chart: Chart, kind: str = "heart_rate") -> list[str]:
    """The values kept, without that of `LATEST`."""
    entries = (entry for entry in chart.entries[kind] if entry.id != LATEST.id)
    return [entry.code or str(entry.value) for entry in entries]


# -- any order, any batches ------------------------------------------------------------------------

CODES = {"oxygen_device": ["none", "nasal_cannula", "cpap"]}


def singles(rng: random.Random) -> list[list[Sent]]:
    """Values of many seconds of few minutes, of many sources, by devices and persons, each alone."""
    minutes = [60 * rng.randrange(-120, 60) for _ in range(rng.randint(1, 4))]
    found = []
    for number in range(rng.randint(1, 150)):
        kind = rng.choice(["heart_rate", "temperature", "oxygen_device", "norepinephrine"])
        found.append(
            Sent(
                id=f"m{rng.randrange(1000)} {number}",
                second=rng.choice(minutes) + rng.randrange(60),
                value=rng.choice(CODES.get(kind, ["38", "39", "40", "41", "42"])),
                kind=kind,
                source=f"monitor-{rng.randrange(rng.choice([2, 13])):02}",
                by=rng.choice(["monitor", "monitor", "person", "patch", ""]),
            )
        )
    return [[sent] for sent in found]


def pressures(rng: random.Random) -> list[list[Sent]]:
    """Sets of pressures; those of one time and source come together."""
    found: dict[tuple[int, str], list[Sent]] = {}
    for number in range(rng.randint(1, 80)):
        second, source = rng.randrange(130), rng.choice(["cuff-1", "cuff-2"])
        for kind in rng.sample(["systolic_bp", "diastolic_bp", "mean_bp"], rng.randint(1, 3)):
            sent = Sent(f"{kind} {number}", second, str(rng.randint(40, 160)), kind, source, "cuff")
            found.setdefault((second, source), []).append(sent)
    return list(found.values())


@pytest.mark.parametrize("drawn", [singles, pressures])
@pytest.mark.parametrize("seed", range(40))
def test_any_order_any_batches_and_any_repetition_keep_the_same(
    drawn: Callable[[random.Random], list[list[Sent]]], seed: int
) -> None:
    rng = random.Random(seed)
    together = [*drawn(rng), [LATEST]]
    shuffled = [*together, *together[::3]]
    rng.shuffle(shuffled)
    batches: list[list[Sent]] = [[]]
    for sent in shuffled:
        if rng.random() < 0.2:
            batches.append([])
        batches[-1] += sent
    whole = placed([sent for some in together for sent in some])
    assert placed(*batches) == whole
    assert placed(*together) == whole


@pytest.mark.parametrize("seed", range(20))
def test_what_cannot_be_had_again_is_kept_of_each_sender_and_minute(seed: int) -> None:
    sent = [one for [one] in singles(random.Random(seed)) if one.kind == "heart_rate" and one.source < "monitor-03"]
    chart = placed(sent, [LATEST])
    of_minutes: dict[tuple[object, ...], list[Entry]] = {}
    for entry in sorted((one.entry for one in sent), key=lambda entry: entry.place):
        if entry.effective >= NOW - hours(2):
            of_minutes.setdefault((entry.source, entry.by, entry.effective.replace(second=0)), []).append(entry)
    for entries in of_minutes.values():
        held = [entry for entry in chart.entries["heart_rate"] if entry in entries]
        values, left = [[entry.value or Decimal(0) for entry in some] for some in (entries, held)]
        assert (held[0], held[-1], min(left), max(left)) == (entries[0], entries[-1], min(values), max(values))


# -- what is kept ----------------------------------------------------------------------------------


def each_second(number: int = 60, **more: str) -> list[Sent]:
    """Values of a monitor once a second; the lowest and the highest are in the midst."""
    values = ["70" if second == 20 else "90" if second == 40 else "80" for second in range(number)]
    return [Sent(f"{second:04}", second, value, **more) for second, value in enumerate(values)]


def test_of_a_minute_of_a_monitor_the_first_last_lowest_and_highest_are_kept() -> None:
    chart = placed(each_second(), [LATEST])
    seconds = [(entry.effective - MINUTE).seconds for entry in chart.entries["heart_rate"]]
    assert seconds == [0, 20, 40, 59, 3600]


def test_the_last_minutes_are_kept_by_ten_seconds_with_their_last_five_values() -> None:
    chart = placed(each_second(600))
    seconds = [(entry.effective - MINUTE).seconds for entry in chart.entries["heart_rate"]]
    since = 599 - int(FRESH.total_seconds())
    since -= since % 60
    assert sum(second < since for second in seconds) == 4 + 2 * (since // 60 - 1)
    assert seconds[-12:] == [580, 585, 586, 587, 588, 589, 590, 595, 596, 597, 598, 599]


def test_eight_thousand_values_of_one_time_are_kept_as_few() -> None:
    flood = [Sent(f"{number:04}", 0, str(50 + number % 101)) for number in range(8000)]
    chart = placed(flood, [LATEST])
    assert kept(chart) == ["50", "150", "70"]
    assert len(placed(flood).entries["heart_rate"]) == 7


def test_every_value_of_a_person_is_kept_up_to_a_generous_number() -> None:
    by_hand = each_second(2 * BY_HAND_KEPT, by="person")
    assert len(kept(placed(by_hand, each_second(source="monitor-2"), [LATEST]))) == len(by_hand) + 4
    flood = [Sent(f"{number:04}", 0, str(50 + number % 101), by="person") for number in range(8000)]
    assert len(kept(placed(flood, [LATEST]))) <= 2 * BY_HAND_KEPT + 2


def test_every_dose_is_kept_up_to_a_generous_number_a_minute() -> None:
    few = [Sent(f"{number:04}", number, "1", "norepinephrine", "emar", "") for number in range(2 * BY_HAND_KEPT)]
    assert len(kept(placed(few, [LATEST]), "norepinephrine")) == len(few)
    flood = [Sent(f"{number:04}", 0, "1", "norepinephrine", "emar", "") for number in range(8000)]
    assert len(kept(placed(flood, [LATEST]), "norepinephrine")) <= 2 * BY_HAND_KEPT + 2


def test_each_source_keeps_its_own_and_more_sources_than_a_ward_has_keep_one_together() -> None:
    chart = placed([sent for number in range(100) for sent in each_second(source=f"monitor-{number:03}")], [LATEST])
    sources = {entry.source for entry in chart.entries["heart_rate"][:-1]}
    assert {f"monitor-{number:03}" for number in range(SENDERS_KEPT)} < sources
    assert len(kept(chart)) <= 4 * (SENDERS_KEPT + 1)


def test_each_code_of_a_minute_is_kept() -> None:
    codes = ["none", "cpap", "none", "nasal_cannula", "cpap", *["none"] * 20]
    sent = [Sent(f"{second:02}", second, code, "oxygen_device") for second, code in enumerate(codes)]
    assert set(kept(placed(sent, [LATEST]), "oxygen_device")) == set(codes)


# -- sets of pressures -----------------------------------------------------------------------------


def cuffs(kinds: Sequence[str] = ("systolic_bp", "diastolic_bp")) -> list[Sent]:
    """A set a second; that of the lowest systolic contradicts itself."""
    low = {"systolic_bp": "60", "diastolic_bp": "95"}
    usual = {"systolic_bp": "120", "diastolic_bp": "80"}
    return [
        Sent(f"{kind} {second:02}", second, (low if second == 30 else usual)[kind], kind, by="arterial_line")
        for second in range(60)
        for kind in kinds
    ]


@pytest.mark.parametrize("age", [hours(0), hours(4), hours(90)])
def test_a_pressure_that_is_kept_keeps_the_others_of_its_set(age: timedelta) -> None:
    last = Sent("last", int(3600 + age.total_seconds()), "80")
    chart = placed(cuffs(), [last])
    seconds = [
        {(entry.effective - MINUTE).seconds for entry in chart.entries[kind]}
        for kind in ("systolic_bp", "diastolic_bp")
    ]
    assert 30 in seconds[0]
    assert seconds[0] == seconds[1]


def test_pressures_of_one_time_do_not_keep_each_other() -> None:
    flood = [
        Sent(f"{kind} {number:04}", 0, str(60 + number % 90), kind, by="cuff")
        for number in range(2000)
        for kind in ("systolic_bp", "diastolic_bp", "mean_bp")
    ]
    assert [len(series) for series in placed(flood, [LATEST]).entries.values()] == [3, 3, 3, 1]


# -- corrections of what was not kept --------------------------------------------------------------


def corrected(chart: Chart, id: str, second: int, value: str, status: Status = Status.CORRECTED) -> Chart:
    sent = Sent(id, second, value, status=status)
    return chart.fold(sent.kind, sent.entry, received=NOW)


def test_a_correction_of_a_value_that_was_not_kept_is_charted_as_it_says() -> None:
    chart = corrected(placed(each_second(), [LATEST]), "0010", 10, "85")
    assert kept(chart) == ["80", "85", "70", "90", "80"]


def test_a_corrected_extreme_does_not_bring_back_what_it_hid() -> None:
    chart = placed(each_second(), [LATEST])
    assert kept(corrected(chart, "0020", 20, "75")) == ["80", "75", "90", "80"]
    assert kept(corrected(chart, "0020", 20, "0", Status.ENTERED_IN_ERROR)) == ["80", "90", "80"]


def test_a_value_that_was_not_kept_and_is_withdrawn_stays_away() -> None:
    chart = placed(each_second(), [LATEST])
    withdrawn = corrected(chart, "0010", 10, "0", Status.ENTERED_IN_ERROR)
    assert withdrawn.entries == chart.entries
    assert placed([each_second()[10]], into=withdrawn).entries == chart.entries

"""Noisy numbers: what a device must show before it pages, and what a person found, which counts at once."""

from datetime import UTC

import pytest

from alerts.grading.hypotension import hypotension
from tests.support.ward import Ward, changed


@pytest.fixture
def well(ward: Ward) -> Ward:
    """A patient whose vital signs were all normal a minute ago."""
    ward.normal()
    ward.jump(minutes=1)
    return ward


def test_one_febrile_sample_of_a_patch_pages_nobody(well: Ward) -> None:
    well.sample("patch", temp=38.4)
    assert well.notified() == []
    assert well.grade("crs") == "0"


def test_three_febrile_samples_of_five_page(well: Ward) -> None:
    for celsius in (38.1, 37.6, 38.2, 37.9):
        well.sample("patch", temp=celsius)
        well.jump(minutes=1)
    assert well.notified() == []
    well.sample("patch", temp=38.1)
    page = well.page()
    assert (page.urgency, page.condition) == ("medium", "crs")
    assert "counts when 3 of its last 5 samples are febrile" in page.text


def test_two_febrile_samples_10_minutes_apart_page(well: Ward) -> None:
    well.sample("monitor", temp=38.1)
    well.jump(minutes=10)
    well.sample("monitor", temp=38.1)
    assert well.page().condition == "crs"


def test_the_same_sample_sent_three_times_is_one_sample(well: Ward) -> None:
    sample = well.vital("temp", 38.4, by="patch")
    for _ in range(3):
        well.send(sample)
    assert well.notified() == []


def test_39_5_counts_at_once_whoever_measured_it(well: Ward) -> None:
    well.sample("patch", temp=39.5)
    assert well.page().condition == "crs"


def test_a_fever_that_a_person_charted_counts_at_once(well: Ward) -> None:
    well.vitals(temp=38.0)
    assert well.page().condition == "crs"


def test_a_fever_that_a_person_charted_is_not_undone_by_a_febrile_sample(well: Ward) -> None:
    well.vitals(temp=38.5)
    well.ack(well.page())
    well.jump(minutes=1)
    well.sample("patch", temp=38.4)
    assert well.grade("crs") == "1"


def test_a_low_pressure_after_a_persons_fever_pages_at_once_whatever_the_patch_says(well: Ward) -> None:
    well.vitals(temp=38.5)
    well.ack(well.page())
    well.jump(minutes=1)
    well.sample("patch", temp=38.4)
    well.jump(minutes=1)
    well.sample("cuff", sbp=84)
    assert well.page().urgency == "high"


def test_a_thermometer_that_measures_every_4_hours_pages_a_fever_that_stays(well: Ward) -> None:
    for _ in range(3):
        well.sample("monitor", temp=38.6)
        well.jump(hours=4)
    assert [page.condition for page in well.new_pages()][:1] == ["crs"]


def test_any_low_cuff_pressure_of_a_febrile_patient_counts_at_once(well: Ward) -> None:
    well.vitals(temp=38.5)
    well.ack(well.page())
    well.sample("cuff", sbp=88)
    assert well.page().urgency == "high"


def test_a_low_cuff_pressure_that_came_before_the_fever_counts_with_it(well: Ward) -> None:
    well.sample("cuff", sbp=88)
    assert well.notified() == []
    well.jump(minutes=3)
    well.vitals(temp=38.5)
    assert well.page().urgency == "high"


@pytest.mark.parametrize(("minutes", "rule"), [(10, "pair"), (15, "window"), (240, "consecutive")])
def test_two_low_cuff_pressures_in_a_row_count_and_name_how_far_apart_they_may_be(
    well: Ward, minutes: int, rule: str
) -> None:
    """Nobody measures more often where nobody is worried; a pressure that is low each time must count all the same."""
    for _ in range(2):
        well.jump(minutes=minutes)
        well.vitals(temp=36.8, spo2=97)
        well.sample("cuff", sbp=86)
    found = hypotension(well.state().chart, well.now.astimezone(UTC), well.site, alert=False)
    assert (found.level, f"confirmation.pressure_{rule}" in found.conventions) == (2, True)


def test_an_arterial_pressure_counts_when_it_has_been_low_for_a_minute(well: Ward) -> None:
    well.vitals(temp=38.5)
    well.ack(well.page())
    well.sample("arterial_line", sbp=70)
    well.jump(seconds=59)
    well.sample("arterial_line", sbp=70)
    assert well.notified() == []
    well.jump(seconds=1)
    well.sample("arterial_line", sbp=70)
    assert well.page().urgency == "high"


def test_a_saturation_by_a_monitor_counts_when_two_of_three_are_low(well: Ward) -> None:
    well.vitals(temp=38.5)
    well.ack(well.page())
    well.sample("monitor", spo2=90)
    well.jump(seconds=20)
    well.sample("monitor", spo2=95)
    assert well.notified() == []
    well.jump(seconds=20)
    well.sample("monitor", spo2=90)
    assert well.page().urgency == "high"


def test_a_sample_sent_again_with_another_time_does_not_confirm_itself(well: Ward) -> None:
    well.vitals(temp=38.5)
    well.ack(well.page())
    sample = well.vital("spo2", 90, by="monitor")
    well.send(sample)
    well.jump(minutes=1)
    well.send(changed(sample, effective=well.now))
    assert well.notified() == []
    assert [entry.effective for entry in well.charted("spo2")][-1:] == [well.now]
    well.jump(minutes=1)
    well.sample("monitor", spo2=90)
    assert well.page().urgency == "high"


def test_a_saturation_below_85_counts_after_15_seconds(well: Ward) -> None:
    well.vitals(temp=38.5)
    well.ack(well.page())
    well.sample("monitor", spo2=80)
    assert well.notified() == []
    well.jump(seconds=15)
    well.sample("monitor", spo2=80)
    assert well.page().urgency == "high"


def test_a_saturation_that_a_person_charted_counts_at_once(well: Ward) -> None:
    well.vitals(temp=38.5)
    well.ack(well.page())
    well.vitals(spo2=91)
    assert well.page().urgency == "high"


def test_a_low_saturation_that_a_person_charted_is_not_undone_by_a_low_sample(well: Ward) -> None:
    well.vitals(temp=38.5, spo2=90)
    well.ack(well.page())
    well.jump(minutes=1)
    well.sample("monitor", spo2=89)
    assert well.grade("crs") == "2"


def test_a_saturation_that_is_low_at_every_spot_check_of_a_febrile_patient_pages(well: Ward) -> None:
    well.vitals(temp=38.5)
    well.ack(well.page())
    for _ in range(3):
        well.jump(hours=2)
        well.vitals(temp=38.4)
        well.sample("monitor", spo2=89)
    assert [page.urgency for page in well.new_pages()][:1] == ["high"]


def test_new_oxygen_counts_at_once(well: Ward) -> None:
    well.vitals(temp=38.5)
    well.ack(well.page())
    well.sample("monitor", device="nasal_cannula")
    assert well.page().urgency == "high"


def test_a_fever_of_a_stream_in_neutropenia_names_what_confirmed_it(well: Ward) -> None:
    well.lab(neutrophils=0.4)
    well.statement("fever_other_cause")
    well.new_pages()
    for _ in range(3):
        well.jump(minutes=1)
        well.sample("patch", temp=38.6)
    page = well.page()
    assert page.condition == "febrile_neutropenia"
    assert "counts when 3 of its last 5 samples are febrile" in page.text

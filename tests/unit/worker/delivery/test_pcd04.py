"""PCD-04: the segments and fields of a report, as IHE ACM has them."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from alerts.episodes.delivery_log import Reason
from alerts.pages.page import Alert
from alerts.pages.title import Title
from config.site import Channel, Urgency
from tests.support.alert_manager import facet, read_report
from tests.support.pages import page
from tests.support.stored_ward import NOW
from worker.delivery.addresses import is_valid_url
from worker.delivery.pcd04 import keep_alive, page_of, read_address, report
from worker.intake.hl7.tokens import Hl7Message, read

URL = "pcd04://10.0.0.5:2575?own_facility=HOSPITAL&application=ASCOM&oid=1.2.3.4.5"
MANAGER = Channel(url=URL, escalates="manager")
PLACE = Alert("HAEM-2", "12", 2, NOW - timedelta(hours=1))
PAGE = page(
    "ad77cea61fdd.4",
    alert=PLACE,
    text="D+2 fever 38.9 °C plus 84/48 mmHg\nsupport not charted\n\nbecause fever",
    heading=Title("[HIGH] P1", ("CRS 2 (was 1)",), ("SBP 84",)),
)


def written(started: bool = False, **changes: object) -> Hl7Message:
    return read(report(replace(PAGE, **changes), MANAGER, started=started, now=NOW))


def test_the_header_names_the_profile_and_asks_for_both_acknowledgements() -> None:
    header = written().segments[0]
    fields = {number: header.field(number).text for number in (3, 4, 5, 6, 9, 11, 12, 15, 16, 18, 21)}
    assert fields == {
        3: "CARTWATCH^1.2.3.4.5^ISO",
        4: "HOSPITAL",
        5: "ASCOM",
        6: "HOSPITAL",
        9: "ORU^R40^ORU_R40",
        11: "P",
        12: "2.6",
        15: "AL",
        16: "AL",
        18: "UNICODE UTF-8",
        21: "IHE_PCD_ACM_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.4.1^ISO",
    }
    assert page_of(header.field(10).text) == "ad77cea61fdd.4"


def test_a_start_names_the_alert_and_no_parent() -> None:
    message = written()
    found = read_report(message)
    assert (found.id, found.parent, found.patient, found.place) == ("ad77cea61fdd", "", "P1", "HAEM-2^^12")
    assert (found.phase, found.state, found.inactivation, found.priority, found.kind) == (
        *("start", "active", "enabled", "PH", "SA"),
    )
    assert found.what == "CRS 2 (was 1)"
    assert found.note == "D+2 fever 38.9 °C plus 84/48 mmHg; support not charted"
    event = message.all("OBX")[0]
    assert (event.field(3).text, event.field(4).text, event.field(11).text) == (
        *("196616^MDC_EVT_ALARM^MDC", "1.0.0.0.1", "F"),
    )
    assert (event.field(5).component(1), event.field(5).component(9)) == ("crs-2", "CRS 2 (was 1)")
    assert event.field(14).text == f"{PLACE.since:%Y%m%d%H%M%S}+0000"
    assert event.field(18).text == "CARTWATCH^1.2.3.4.5^ISO"


def test_every_later_report_names_the_start_in_its_29th_field() -> None:
    obr = written(started=True, reason="worse").first("OBR")
    assert obr is not None
    assert obr.field(3).component(1) == "ad77cea61fdd.4"
    parent = obr.field(29)
    assert [parent.component(2, sub) for sub in (1, 2, 3, 4)] == ["ad77cea61fdd", "CARTWATCH", "1.2.3.4.5", "ISO"]


@pytest.mark.parametrize(
    ("reason", "phase"),
    [
        ("worse", "escalate"),
        ("better", "deescalate"),
        ("repeat", "continue"),
        ("acknowledged", "update"),
        ("handed_over", "update"),
        ("resolved", "end"),
        ("retracted", "end"),
        ("ended", "end"),
    ],
)
def test_the_phase_follows_the_reason_of_the_page(reason: Reason, phase: str) -> None:
    assert read_report(written(started=True, reason=reason)).phase == phase


def test_an_end_is_inactive_and_without_priority() -> None:
    found = read_report(written(started=True, reason="resolved"))
    assert (found.state, found.priority) == ("inactive", "PN")


def test_an_acknowledged_alert_is_said_to_be() -> None:
    taken = replace(PLACE, acknowledged_by="haematologist-1")
    assert read_report(written(started=True, alert=taken)).inactivation == "alert-acknowledged"


@pytest.mark.parametrize(
    ("urgency", "priority", "kind"),
    [
        ("critical", "PH", "SA"),
        ("high", "PH", "SA"),
        ("medium", "PM", "SA"),
        ("low", "PL", "SA"),
        ("technical", "PM", "ST"),
    ],
)
def test_priority_and_type(urgency: Urgency, priority: str, kind: str) -> None:
    found = read_report(written(urgency=urgency))
    assert (found.priority, found.kind) == (priority, kind)


def test_separators_in_a_text_are_escaped() -> None:
    found = written(heading=Title("x", ("a|b^c&d~e\\f",)), patient="P|1")
    assert read_report(found).what == "a|b^c&d~e\\f"
    assert read_report(found).patient == "P|1"


def test_a_minimal_channel_names_neither_patient_nor_finding() -> None:
    channel = Channel(url=URL, escalates="manager", detail="minimal")
    shown = replace(PAGE, heading=Title("[HIGH] cartwatch page ad77cea61fdd.4"))
    raw = report(shown, channel, started=False, now=NOW)
    for secret in (b"P1", b"crs", b"38.9", b"84/48"):
        assert secret not in raw
    assert read_report(read(raw)).place == "HAEM-2^^12"


def test_a_page_about_no_episode_is_about_one_moment() -> None:
    assert read_report(written(episodes=(), patient="~site")).phase == "tpoint"


@pytest.mark.parametrize("active", [True, False])
def test_the_keep_alive(active: bool) -> None:
    message = read(keep_alive(MANAGER, NOW, active=active))
    event = message.all("OBX")[0]
    assert event.field(3).text == "196614^MDC_EVT_ACTIVE^MDC"
    assert event.field(5).text == "67860^MDC_ATTR_CONFIRM_TIMEOUT^MDC"
    assert facet(message, "68482").field(5).text == ("active" if active else "inactive")
    assert facet(message, "68484").field(5).text == "PN"


@pytest.mark.parametrize(
    "url", ["pcd04://host", "pcd04://:2575", "pcd04://host:2575/x", "pcd04://host:2575?aplication=X", "pcd04://h:99999"]
)
def test_an_address_that_names_no_manager(url: str) -> None:
    assert not is_valid_url(url)
    with pytest.raises(ValueError, match=r"pcd04://HOST:PORT|aplication|range"):
        read_address(url)


def test_an_address_of_a_manager() -> None:
    assert is_valid_url(URL)
    assert is_valid_url("pcd04s://host:2575")
    assert read_address("pcd04s://host:2575").tls

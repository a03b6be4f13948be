"""What single services take: each parameter is read by the plugin it is meant for. Nothing is sent."""

from typing import Any, get_args
from urllib.parse import parse_qs, urlsplit

import pytest

from config.site import Urgency
from tests.support.pages import page
from worker.delivery.channel import _open
from worker.delivery.providers import (
    SERVICES,
    WEBHOOKS,
    as_quiet,
    extras,
    lowest_priority,
    notify_type,
    schema,
    takes_picture,
    with_extras,
)

LINK = "https://cartwatch.example/p/abc.DEF-_123"

ADDRESSES = {
    "mailto": "mailto://ward:pw@mail.example?to=rossi@hospital.example",
    "mailtos": "mailtos://ward:pw@mail.example?to=rossi@hospital.example",
    "tgram": "tgram://123456789:abcdefg_hijklmnop/12315544/",
    "ntfy": "ntfy://ward-topic",
    "ntfys": "ntfys://ntfy.example/ward-topic",
    "pover": f"pover://{'u' * 30}@{'a' * 30}",
    "gotify": "gotify://host/AbCdEfGhIjKlMnO",
    "gotifys": "gotifys://host/AbCdEfGhIjKlMnO",
    "psafer": f"psafer://{'a' * 20}",
    "psafers": f"psafers://{'a' * 20}",
    "prowl": f"prowl://{'a' * 40}",
    "lauther": f"lauther://lpt_{'a' * 20}",
    "youlmk": f"youlmk://ylk_{'a' * 32}",
    "pinglet": "pinglet://key@host/acme/ward",
    "pinglets": "pinglets://key@host/acme/ward",
    "pushward": f"pushward://hlk_{'a' * 32}",
    "join": f"join://{'a' * 32}",
    "bark": "bark://host/key",
    "barks": "barks://host/key",
    "pagerduty": "pagerduty://integration@apikey",
    "opsgenie": f"opsgenie://{'a' * 36}",
    "jira": f"jira://{'a' * 36}",
    "splunk": f"splunk://route@{'a' * 36}",
    "victorops": f"victorops://route@{'a' * 36}",
    "signl4": "signl4://secret",
    "pagertree": "pagertree://int_aaaaaaaaaa",
    "ilert": f"ilert://il1api{'a' * 20}",
    "squadcast": f"squadcast://{'a' * 30}",
    "incidentio": f"incidentio://{'a' * 26}/{'b' * 30}",
    "goalert": "goalert://goalert.example/ab12cd34-ab12-4c5d-8e9f-0123456789ab",
    "goalerts": "goalerts://goalert.example/ab12cd34-ab12-4c5d-8e9f-0123456789ab",
}


def opened(service: str, urgency: str = "critical", written: str = "", **more: Any) -> Any:
    """The plugin of a service as it is for a page."""
    separator = "&" if "?" in ADDRESSES[service] else "?"
    url = ADDRESSES[service] + (f"{separator}{written}" if written else "")
    plugin = _open(with_extras(url, extras(service, page(urgency=urgency, **more), LINK, "To answer")))
    assert plugin is not None, f"{service} does not take its address"
    return plugin


def test_there_is_an_address_for_every_service_of_the_table() -> None:
    assert set(ADDRESSES) == set(SERVICES)


@pytest.mark.parametrize("service", sorted(ADDRESSES))
@pytest.mark.parametrize("urgency", get_args(Urgency))
def test_every_service_takes_what_it_is_given(service: str, urgency: str) -> None:
    opened(service, urgency)


@pytest.mark.parametrize(
    ("service", "attribute", "values"),
    [
        ("ntfy", "priority", ("max", "high", "default", "low", "default")),
        ("pover", "priority", (2, 1, 0, -2, 0)),
        ("gotify", "priority", (10, 8, 5, 0, 5)),
        ("psafer", "priority", (2, 1, 0, -2, 0)),
        ("prowl", "priority", (2, 1, 0, -2, 0)),
        ("join", "priority", (2, 1, 0, -2, 0)),
        ("lauther", "priority", (2, 1, 0, -1, 0)),
        ("youlmk", "priority", ("critical", "high", "normal", "low", "normal")),
        ("pinglet", "priority", ("urgent", "urgent", "normal", "silent", "normal")),
        ("pushward", "level", ("critical", "time-sensitive", "active", "passive", "active")),
        ("bark", "level", ("critical", "timeSensitive", "active", "passive", "active")),
        ("pagerduty", "severity", ("critical", "error", "warning", "info", "warning")),
        ("opsgenie", "priority", (1, 2, 3, 5, 3)),
        ("jira", "priority", (1, 2, 3, 5, 3)),
        ("splunk", "action", ("critical", "critical", "warning", "info", "warning")),
        ("pagertree", "urgency", ("critical", "high", "medium", "low", "medium")),
        ("squadcast", "priority", ("P1", "P2", "P3", "P5", "P3")),
    ],
)
def test_each_urgency_has_its_priority(service: str, attribute: str, values: tuple[object, ...]) -> None:
    found = [
        getattr(opened(service, urgency), attribute) for urgency in ("critical", "high", "medium", "low", "technical")
    ]
    assert tuple(found) == values


@pytest.mark.parametrize(
    ("service", "attribute"),
    [
        ("pagerduty", "dedup"),
        ("opsgenie", "alias"),
        ("jira", "alias"),
        ("splunk", "entity_id"),
        ("signl4", "external_id"),
        ("pagertree", "thirdparty"),
        ("ilert", "dedup"),
        ("squadcast", "dedup"),
        ("incidentio", "dedup"),
        ("goalert", "dedup"),
    ],
)
def test_a_retry_has_the_key_of_the_first_attempt_and_the_next_page_another(service: str, attribute: str) -> None:
    keys = [getattr(opened(service, id=number), attribute) for number in ("e7.1", "e7.1", "e7.2")]
    assert keys == ["e7.1", "e7.1", "e7.2"]


@pytest.mark.parametrize(
    ("service", "action"),
    [("opsgenie", "new"), ("jira", "new"), ("goalert", "trigger"), ("ilert", "trigger"), ("squadcast", "trigger")],
)
def test_a_service_that_would_only_take_a_note_is_made_to_alert(service: str, action: str) -> None:
    """Their default maps a plain notification to a note, and its success to the end of an alert."""
    assert opened(service, "low").action == action


def test_an_emergency_rings_again_and_ends_before_the_ladders_next_page() -> None:
    plugin = opened("pover", "critical")
    assert (plugin.interval, plugin.expire) == (60, 300)


def test_ntfy_gets_a_button_and_a_tap_that_open_the_link() -> None:
    query = parse_qs(urlsplit(opened("ntfy").url()).query)
    assert query["actions"] == [f"view, To answer, {LINK}"]
    assert query["click"] == [LINK]


@pytest.mark.parametrize("service", ["pagerduty", "ilert", "incidentio", "bark"])
def test_a_service_that_takes_a_link_gets_it(service: str) -> None:
    assert LINK in parse_qs(urlsplit(opened(service).url()).query)["click"]


def test_pushover_gets_the_link_with_its_label() -> None:
    plugin = opened("pover")
    assert (plugin.supplemental_url, plugin.supplemental_url_title) == (LINK, "To answer")


@pytest.mark.parametrize(("urgency", "importance"), [("critical", "high"), ("medium", "normal"), ("low", "low")])
def test_a_mail_says_how_important_it_is_and_that_nobody_wrote_it(urgency: str, importance: str) -> None:
    assert opened("mailtos", urgency).headers == {"importance": importance, "auto-submitted": "auto-generated"}


def test_a_header_that_the_site_wrote_itself_is_sent_once() -> None:
    written = opened("mailtos", written="+Importance=low").headers
    assert {name.lower(): value for name, value in written.items()}["importance"] == "low"
    assert len(written) == len({name.lower() for name in written})


def test_without_a_link_there_is_no_button() -> None:
    assert not {"click", "actions"} & set(extras("ntfy", page(), "", "To answer"))


def test_a_service_that_is_not_in_the_table_is_left_alone() -> None:
    assert extras("json", page(), LINK, "To answer") == {}


# -- what the site wrote itself ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "written", "attribute", "value"),
    [
        ("ntfy", "priority=min", "priority", "min"),
        ("pover", "priority=low", "priority", -2),
        ("pagerduty", "dedup=ward", "dedup", "ward"),
        ("opsgenie", "Priority=p4", "priority", 4),
        ("opsgenie", "action=note", "action", "note"),
        ("signl4", "external_id=ward", "external_id", "ward"),
        ("pagertree", "tid=ward", "thirdparty", "ward"),
        ("splunk", "action=info", "action", "info"),
    ],
)
def test_what_the_site_wrote_holds(service: str, written: str, attribute: str, value: object) -> None:
    assert getattr(opened(service, written=written), attribute) == value


def test_an_entity_in_the_path_of_splunk_holds() -> None:
    url = with_extras(f"splunk://route@{'a' * 36}/ward", extras("splunk", page(), "", ""))
    assert "entity_id" not in url
    assert _open(url).entity_id == "ward"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ntfy://t", "ntfy://t?a=1&b=x%20%26"),
        ("ntfy://t?", "ntfy://t?a=1&b=x%20%26"),
        ("ntfy://t?b=2", "ntfy://t?b=2&a=1"),
        ("ntfy://t?a=1&b=", "ntfy://t?a=1&b="),
    ],
)
def test_parameters_are_added_to_an_address(url: str, expected: str) -> None:
    assert with_extras(url, {"a": "1", "b": "x &"}) == expected


def test_nothing_here_makes_a_failure_a_success() -> None:
    for service, takes in SERVICES.items():
        assert "optional" not in {*extras(service, page(), LINK, "x"), takes.priority, takes.key}


# -- class and picture -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("urgency", "reason", "expected"),
    [
        ("critical", "new", "failure"),
        ("high", "repeat", "failure"),
        ("medium", "new", "warning"),
        ("technical", "new", "warning"),
        ("low", "new", "info"),
        ("low", "resolved", "success"),
        ("high", "retracted", "success"),
    ],
)
def test_a_page_has_its_class(urgency: str, reason: str, expected: str) -> None:
    assert notify_type(page(urgency=urgency, reason=reason)) == expected


@pytest.mark.parametrize(
    ("service", "attachments", "sms", "asked", "takes"),
    [
        ("ntfy", True, False, None, True),
        ("ntfy", True, False, False, False),
        ("pagerduty", False, False, True, False),
        ("json", True, False, None, False),
        ("json", True, False, True, True),
        ("smseagle", True, True, True, False),
    ],
)
def test_a_picture_goes_where_it_is_shown_to_a_person(
    service: str, attachments: bool, sms: bool, asked: bool | None, takes: bool
) -> None:
    assert takes_picture(service, attachments=attachments, sms=sms, asked=asked) is takes


def test_a_picture_makes_the_least_noise() -> None:
    assert lowest_priority("ntfy") == {"priority": "min"}
    assert lowest_priority("tgram") == {"silent": "yes"}
    assert lowest_priority("opsgenie") == {"priority": "p5"}
    assert as_quiet("mailto://a?+Importance=high&to=b") == "mailto://a?to=b&+importance=low"
    assert lowest_priority("json") == {}
    assert lowest_priority("signl4") == {}


def test_the_service_is_read_from_the_address() -> None:
    assert schema("JSON://127.0.0.1:9/phone-1") == "json"
    assert schema("{receiver}") == "{receiver}"
    assert "json" in WEBHOOKS

"""Subscriptions that are silent, have missed events, or were ended by their server."""

from datetime import timedelta

import pytest

from config.site import Feed
from tests.support.stored_ward import NOW, SITE
from tests.support.wording import english
from worker.clock import milliseconds
from worker.monitoring.subscriptions import trouble_of
from worker.store.subscriptions import Gap, SubscriptionName, SubscriptionState

FEED = Feed.model_validate({"silent_after": "1 h", "heartbeat": "60 s"})
WATCHED = SITE._replace(on_call=SITE.on_call.model_copy(update={"feeds": {"ehr": FEED}}))
NAME = SubscriptionName("ehr", "Subscription/results")
AT = milliseconds(NOW)


def trouble(state: SubscriptionState, after: timedelta, site: object = WATCHED) -> dict[str, str]:
    return {kind: english(what) for kind, what in trouble_of(NAME, state, site, NOW + after)}  # type: ignore[arg-type]


def test_one_late_heartbeat_is_none_and_two_are_a_silent_subscription() -> None:
    alive = SubscriptionState(7, AT, "active")
    assert trouble(alive, timedelta(seconds=120)) == {}
    [(kind, what)] = trouble(alive, timedelta(seconds=121)).items()
    assert kind == "subscription silent"
    assert "nothing of the Subscription Subscription/results from ehr since" in what
    assert "does not mean that its patients are well" in what


def test_without_a_configured_period_nothing_is_missed() -> None:
    assert trouble(SubscriptionState(7, AT, "active"), timedelta(days=9), SITE) == {}


def test_a_gap_is_reported_once_it_has_lasted() -> None:
    state = SubscriptionState(9, AT, "active", (Gap(2, 2, AT), Gap(5, 7, AT)))
    assert trouble(state, timedelta(seconds=59)) == {}
    assert trouble(state, timedelta(seconds=60)) == {
        "subscription gap": "4 events of the Subscription Subscription/results from ehr were missed (from 2 to 7):"
        " send them again, or begin the Subscription anew"
    }
    one = SubscriptionState(9, AT, "active", (Gap(2, 2, AT),))
    assert "1 event of the Subscription" in trouble(one, timedelta(seconds=60))["subscription gap"]


@pytest.mark.parametrize("status", ["error", "off"])
def test_a_subscription_that_its_server_has_ended_is_reported(status: str) -> None:
    [(kind, what)] = trouble(SubscriptionState(7, AT, status), timedelta()).items()
    assert kind == "subscription ended"
    assert f"ehr reports its Subscription Subscription/results as {status}" in what

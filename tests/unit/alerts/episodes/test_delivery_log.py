"""What an episode keeps of its pages."""

from datetime import timedelta

from alerts.episodes.delivery_log import DELIVERIES_KEPT, Delivery, with_delivery
from tests.support.charts import NOW


def sent(number: int) -> Delivery:
    at = NOW + timedelta(minutes=number)
    return Delivery(f"e.{number}", "haematologist-1", "phone-1", "repeat", at, number, "sent", at)


def test_the_newest_pages_are_kept_and_every_older_one_that_may_still_be_delivered() -> None:
    owed = Delivery("e.0", "consultant-1", "phone-3", "new", NOW, 0, "failed")
    kept: tuple[Delivery, ...] = (owed,)
    for number in range(1, 3 * DELIVERIES_KEPT):
        kept = with_delivery(kept, sent(number))
    assert kept[0] == owed
    assert [item.page for item in kept[1:]] == [f"e.{n}" for n in range(2 * DELIVERIES_KEPT, 3 * DELIVERIES_KEPT)]

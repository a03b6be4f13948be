"""The life of an owed page: sent, tried again, reported, cancelled, and never sent by two at once."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

import pytest
from redis import Redis

from alerts.message_json import read_message
from alerts.messages import Receipt
from alerts.pages.page import Page
from alerts.state import Effects
from alerts.wording.phrase import Phrase, phrase
from config.site import Channel
from tests.support.pages import page as build_page
from tests.support.stored_ward import KEYS, NOW, SITE, Clock, crs2, owed, send
from tests.support.wording import english
from worker.clock import milliseconds
from worker.delivery import deliver as module
from worker.delivery import page_lease
from worker.delivery.channel import MessageContext, address
from worker.delivery.deliver import deliver
from worker.delivery.outcome import Attempt, Outcome
from worker.processing.advance import advance
from worker.store.codec import Owed, pack
from worker.store.commit import Commit, write
from worker.store.shard import Batch, Store

SHARD = KEYS.of("P1")
POLICY = SITE.on_call.delivery
FAILED = Attempt(Outcome.TEMPORARY, phrase("the provider answered {n}", n=503))
REFUSED = Attempt(Outcome.PERMANENT, phrase("the provider answered {n}", n=404))
SENT = Attempt(Outcome.SENT)
UNKNOWN = Attempt(Outcome.UNKNOWN, Phrase("the provider did not answer in time"))
CONTEXT = MessageContext("json://127.0.0.1:9")


class Provider:
    """Answers as the test says, and records what it was asked."""

    def __init__(self) -> None:
        self.answers = SENT
        self.asked: list[str] = []
        self.urls: list[str] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def send(self, channel: Channel, pages: Sequence[Page], context: MessageContext) -> Attempt:
        self.asked.append(" ".join(page.id for page in pages))
        self.urls.append(address(channel, pages[0].id, context.receiver))
        self.meanwhile()
        return self.answers


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Provider:
    standing = Provider()
    monkeypatch.setattr(module, "send", standing.send)
    return standing


@pytest.fixture
def page(store: Store) -> str:
    """The id of the one page that is owed."""
    send(store, crs2())
    advance(store, SHARD, Clock(), SITE)
    [page] = owed(store)
    store.redis.delete(SHARD.key("outbox"), SHARD.key("due"))
    store.redis.hset(SHARD.key("outbox"), page.page.id, pack(page))
    store.redis.zadd(SHARD.key("due"), {page.page.id: milliseconds(NOW)})
    return page.page.id


def attempt(store: Store, page: str, at: datetime = NOW) -> Outcome | None:
    return deliver(store, SHARD, page, Clock(at), SITE, CONTEXT).outcome


def due(store: Store, page: str) -> timedelta | None:
    """How long after NOW a page is tried next."""
    score = store.redis.zscore(SHARD.key("due"), page)
    return None if score is None else timedelta(milliseconds=score - milliseconds(NOW))


def receipts(store: Store) -> list[Receipt]:
    found = [read_message(fields[b"m"]) for _, fields in store.stream(SHARD.inbox)]
    return [item for item in found if isinstance(item, Receipt)]


def retries(store: Store, page: str) -> Iterator[timedelta]:
    """Try a page whenever it is due; yield the waits."""
    at = NOW
    while True:
        assert attempt(store, page, at) is not None
        following = due(store, page)
        assert following is not None
        yield NOW + following - at
        at = NOW + following


# -- sent ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("provider")
def test_a_page_that_was_sent_is_no_longer_owed_and_leaves_a_receipt(store: Store, page: str) -> None:
    assert attempt(store, page) is Outcome.SENT
    assert owed(store) == []
    assert due(store, page) is None
    [receipt] = receipts(store)
    assert (receipt.page, receipt.channel, receipt.outcome) == (page, "phone-1", "sent")
    assert (receipt.patient, receipt.effective) == ("P1", NOW)
    assert not store.redis.exists(SHARD.page_lease(page))


def test_the_page_goes_to_its_persons_channel_with_its_id(store: Store, provider: Provider, page: str) -> None:
    attempt(store, page)
    [url] = provider.urls
    assert url.startswith(f"{CONTEXT.receiver}/phone-1?+X-Page-Id={page}&")
    assert provider.asked == [page]


@pytest.mark.usefixtures("provider")
def test_a_receipt_settles_the_page_on_its_episode(store: Store, page: str) -> None:
    attempt(store, page)
    advance(store, SHARD, Clock(), SITE)
    state = store.state("P1")
    assert state is not None
    assert state.episodes["crs"].pending == ()


@pytest.mark.parametrize("again", [0, 30])
def test_a_page_that_was_sent_is_not_sent_again(store: Store, provider: Provider, page: str, again: int) -> None:
    attempt(store, page)
    assert attempt(store, page, NOW + timedelta(seconds=again)) is None
    assert len(provider.asked) == 1


def test_a_page_nobody_knows_is_not_sent(store: Store, provider: Provider) -> None:
    assert attempt(store, "nobody.1") is None
    assert provider.asked == []
    assert store.redis.keys() == []


# -- tried again -----------------------------------------------------------------------------------


def test_a_failed_page_is_tried_again_after_longer_and_longer_waits(
    store: Store, provider: Provider, page: str
) -> None:
    provider.answers = FAILED
    waits = [wait for _, wait in zip(range(7), retries(store, page), strict=False)]
    assert waits == [timedelta(seconds=seconds) for seconds in (2, 5, 15, 30, 60, 60, 60)]


@pytest.mark.parametrize("outcome", [Outcome.TEMPORARY, Outcome.UNKNOWN])
def test_a_page_that_may_not_have_arrived_stays_owed_with_the_same_id(
    store: Store, provider: Provider, page: str, outcome: Outcome
) -> None:
    provider.answers = Attempt(outcome, Phrase("the provider did not answer in time"))
    assert attempt(store, page) is outcome
    provider.answers = SENT
    assert attempt(store, page, NOW + timedelta(seconds=2)) is Outcome.SENT
    assert provider.asked == [page, page]
    assert [receipt.outcome for receipt in receipts(store)][1:] == ["sent"]


def test_a_page_is_not_tried_before_it_is_due(store: Store, provider: Provider, page: str) -> None:
    provider.answers = FAILED
    attempt(store, page)
    assert attempt(store, page, NOW + timedelta(seconds=1, milliseconds=999)) is None
    assert len(provider.asked) == 1
    assert not store.redis.exists(SHARD.page_lease(page)), "a failed acquire must not delay the next attempt"


@pytest.mark.parametrize(("answer", "reported"), [(FAILED, "failed"), (UNKNOWN, "unknown")])
def test_the_first_failure_is_reported_at_once_and_the_others_are_no_news(
    store: Store, provider: Provider, page: str, answer: Attempt, reported: str
) -> None:
    provider.answers = answer
    for _, _wait in zip(range(5), retries(store, page), strict=False):
        assert [(receipt.outcome, english(receipt.detail)) for receipt in receipts(store)] == [
            (reported, english(answer.detail))
        ]
    assert [item.reported for item in owed(store)] == [reported]


def test_what_was_reported_is_not_reported_again_when_the_kind_of_failure_changes(
    store: Store, provider: Provider, page: str
) -> None:
    provider.answers = FAILED
    attempt(store, page)
    provider.answers = UNKNOWN
    attempt(store, page, NOW + timedelta(seconds=2))
    assert [receipt.outcome for receipt in receipts(store)] == ["failed"]


def test_the_evaluation_knows_of_the_first_failure(store: Store, provider: Provider, page: str) -> None:
    provider.answers = FAILED
    attempt(store, page)
    advance(store, SHARD, Clock(), SITE)
    state = store.state("P1")
    assert state is not None
    [outcome] = [item.state for item in state.episodes["crs"].deliveries if item.page == page]
    assert outcome == "failed"


# -- undeliverable ---------------------------------------------------------------------------------


def test_a_page_refused_for_good_is_reported_once_and_still_tried(store: Store, provider: Provider, page: str) -> None:
    provider.answers = REFUSED
    waits = [wait for _, wait in zip(range(4), retries(store, page), strict=False)]
    assert waits == [POLICY.retry_backoff[-1]] * 4
    [receipt] = receipts(store)
    assert (receipt.outcome, english(receipt.detail)) == ("undeliverable", "the provider answered 404")


def test_a_page_that_fails_for_long_is_reported_once(store: Store, provider: Provider, page: str) -> None:
    provider.answers = FAILED
    last = NOW + POLICY.undeliverable_after
    for _, wait in zip(range(30), retries(store, page), strict=False):
        outcomes = [receipt.outcome for receipt in receipts(store)]
        following = due(store, page)
        assert following is not None
        tried_at = NOW + following - wait
        assert outcomes == ["failed", *(["undeliverable"] if tried_at >= last else [])]


def test_a_page_reported_undeliverable_may_still_be_sent_and_says_so(
    store: Store, provider: Provider, page: str
) -> None:
    provider.answers = REFUSED
    attempt(store, page)
    provider.answers = SENT
    assert attempt(store, page, NOW + timedelta(minutes=1)) is Outcome.SENT
    assert [receipt.outcome for receipt in receipts(store)] == ["undeliverable", "sent"]
    assert len({receipt.id for receipt in receipts(store)}) == 2


def test_an_undeliverable_page_sends_the_ladder_to_the_next_step_at_once(
    store: Store, provider: Provider, page: str
) -> None:
    provider.answers = REFUSED
    attempt(store, page)
    before = {item.page.id for item in owed(store)}
    run = advance(store, SHARD, Clock(), SITE)
    assert len({item.page.id for item in owed(store)} - before) == 1
    assert [shard.number for shard in run.wake] == [KEYS.of("~site").number]


def test_a_channel_that_is_no_longer_configured_is_reported_not_lost(
    store: Store, provider: Provider, page: str
) -> None:
    channels = {name: channel for name, channel in SITE.on_call.channels.items() if name != "phone-1"}
    without = SITE._replace(on_call=SITE.on_call.model_copy(update={"channels": channels}))
    assert deliver(store, SHARD, page, Clock(), without, CONTEXT).outcome is Outcome.PERMANENT
    assert [english(receipt.detail) for receipt in receipts(store)] == ["the channel is no longer configured"]
    assert provider.asked == []


# -- cancelled -------------------------------------------------------------------------------------


def cancel(redis: Redis, page: str) -> None:
    """What the commit of an acknowledgement does."""
    store = Store(redis, KEYS, batch=1, lease_seconds=5, journal_length=0)
    pipe = redis.pipeline()
    write(store, pipe, Batch(SHARD, "", [], []), Commit(effects=Effects(cancelled=[page])), NOW)
    pipe.execute()


def test_a_cancelled_page_is_not_sent(store: Store, provider: Provider, page: str) -> None:
    cancel(store.redis, page)
    assert attempt(store, page) is None
    assert provider.asked == []


@pytest.mark.parametrize("answer", [FAILED, REFUSED, SENT], ids=["failed", "refused", "sent"])
def test_a_page_cancelled_while_it_is_sent_stays_cancelled(
    store: Store, provider: Provider, page: str, answer: Attempt
) -> None:
    provider.answers = answer
    provider.meanwhile = lambda: cancel(store.redis, page)
    attempt(store, page)
    assert owed(store) == []
    assert due(store, page) is None
    assert attempt(store, page, NOW + timedelta(hours=1)) is None
    assert len(provider.asked) == 1


def test_a_page_cancelled_while_it_is_claimed_stays_cancelled(
    store: Store, provider: Provider, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cancelled_here(packed: bytes) -> Owed:
        cancel(store.redis, page)
        return unpack(packed)

    unpack = page_lease.unpack_owed
    monkeypatch.setattr(page_lease, "unpack_owed", cancelled_here)
    assert attempt(store, page) is None
    assert owed(store) == []
    assert provider.asked == []
    assert not store.redis.exists(SHARD.page_lease(page))


# -- one deliverer at a time -----------------------------------------------------------------------


def test_while_one_worker_sends_no_other_does(store: Store, provider: Provider, page: str) -> None:
    others: list[Outcome | None] = []
    provider.meanwhile = lambda: others.append(attempt(store, page))
    assert attempt(store, page) is Outcome.SENT
    assert others == [None]
    assert len(provider.asked) == 1


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours handles it."""


def dies(store: Store, provider: Provider, page: str, at: datetime = NOW) -> None:
    """A deliverer is killed while it sends."""

    def die() -> None:
        raise Killed

    provider.meanwhile = die
    with pytest.raises(Killed):
        attempt(store, page, at)
    provider.meanwhile = lambda: None


def test_the_page_of_a_deliverer_that_died_is_due_again_when_its_claim_has_run_out(
    store: Store, provider: Provider, page: str
) -> None:
    dies(store, provider, page)
    assert due(store, page) == POLICY.lease
    assert 0 < store.redis.pttl(SHARD.page_lease(page)) <= POLICY.lease / timedelta(milliseconds=1)
    store.redis.delete(SHARD.page_lease(page), KEYS.channel_lock("phone-1", "ordinary"))  # they run out
    assert attempt(store, page, NOW + POLICY.lease - timedelta(seconds=1)) is None
    assert attempt(store, page, NOW + POLICY.lease) is Outcome.SENT
    assert provider.asked == [page, page]


def test_an_attempt_that_died_counts(store: Store, provider: Provider, page: str) -> None:
    dies(store, provider, page)
    assert store.redis.get(SHARD.unfinished_attempts(page)) == b"1"
    store.redis.delete(SHARD.page_lease(page), KEYS.channel_lock("phone-1", "ordinary"))
    provider.answers = FAILED
    attempt(store, page, NOW + POLICY.lease)
    assert [item.attempts for item in owed(store)] == [2]
    assert not store.redis.exists(SHARD.unfinished_attempts(page))


def run_out(store: Store, page: str) -> None:
    """The page lease and the channel lock of a dead worker."""
    store.redis.delete(SHARD.page_lease(page), KEYS.channel_lock("phone-1", "ordinary"))


def test_a_worker_that_was_restarted_is_no_news(store: Store, provider: Provider, page: str) -> None:
    dies(store, provider, page)
    run_out(store, page)
    attempt(store, page, NOW + POLICY.lease)
    assert [receipt.outcome for receipt in receipts(store)] == ["sent"]


def test_a_page_over_which_workers_die_is_reported_as_unknown(store: Store, provider: Provider, page: str) -> None:
    """Nobody else would ever say that it is not sent."""
    dies(store, provider, page)
    run_out(store, page)
    dies(store, provider, page, NOW + POLICY.lease)
    run_out(store, page)
    provider.answers = FAILED
    attempt(store, page, NOW + 2 * POLICY.lease)
    assert [(receipt.outcome, english(receipt.detail)) for receipt in receipts(store)] == [
        ("unknown", english(module.CRASHED.detail))
    ]
    assert store.redis.exists(KEYS.failing("phone-1"))


def test_a_claim_that_ran_out_does_not_free_the_claim_of_the_next(store: Store, provider: Provider, page: str) -> None:
    """A send that outlasts its lease: the page is then another worker's, with the same id."""

    def take_over() -> None:
        store.redis.set(SHARD.page_lease(page), "another worker")

    provider.answers = FAILED
    provider.meanwhile = take_over
    attempt(store, page)
    assert store.redis.get(SHARD.page_lease(page)) == b"another worker"


def test_a_failure_that_comes_late_does_not_bring_back_a_page_that_another_sent(
    store: Store, provider: Provider, page: str
) -> None:
    def another_sends() -> None:
        provider.meanwhile = lambda: None
        provider.answers = SENT
        store.redis.delete(SHARD.page_lease(page), KEYS.channel_lock("phone-1", "ordinary"))
        assert attempt(store, page, NOW + POLICY.lease) is Outcome.SENT
        provider.answers = REFUSED

    provider.meanwhile = another_sends
    attempt(store, page)
    assert owed(store) == []
    assert due(store, page) is None


@pytest.mark.usefixtures("provider")
def test_what_is_logged_names_no_patient(store: Store, page: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        attempt(store, page)
    assert page in caplog.text
    for secret in ("P1", "HAEM-2", "38.9", "hypotension"):
        assert secret not in caplog.text


def test_many_pages_of_one_shard_are_owed_side_by_side(redis: Redis, store: Store, provider: Provider) -> None:
    for number in range(5):
        one = build_page(f"e{number}.1")
        redis.hset(SHARD.key("outbox"), one.id, pack(Owed(page=one)))
        redis.zadd(SHARD.key("due"), {one.id: milliseconds(NOW)})
    provider.answers = FAILED
    attempt(store, "e2.1")
    provider.answers = SENT
    assert [attempt(store, f"e{number}.1") for number in (0, 1, 3, 4)] == [Outcome.SENT] * 4
    assert [item.page.id for item in owed(store)] == ["e2.1"]

"""Spans: nothing without an endpoint; with one, what was done and for how long, and no patient."""

import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.support.stored_ward import KEYS, SITE, Clock, crs2, send
from worker import tracing
from worker.processing.advance import advance
from worker.store.shard import Store


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(provider)
    yield exporter
    tracing.use(None)


def test_a_batch_is_a_span_that_names_no_patient(spans: InMemorySpanExporter, store: Store, clock: Clock) -> None:
    send(store, crs2("secret name"))
    advance(store, KEYS.of("secret name"), clock, SITE)
    found = {span.name: dict(span.attributes or {}) for span in spans.get_finished_spans()}
    assert found["cartwatch append"] == {"cartwatch.messages": 3}
    evaluated = found["cartwatch evaluate"]
    assert evaluated["cartwatch.shard"] == KEYS.of("secret name").number
    assert evaluated["cartwatch.messages"] == 3
    assert "secret name" not in str(found)


def test_of_an_error_only_its_class_is_kept(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="secret"), tracing.span("send", queue="phone-1"):
        raise ValueError("secret name")
    [span] = spans.get_finished_spans()
    assert dict(span.attributes or {}) == {"cartwatch.queue": "phone-1", "cartwatch.error": "ValueError"}
    assert span.events == ()
    assert span.status.description is None


def test_without_an_endpoint_nothing_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(tracing.ENDPOINT, raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    tracing.start()
    with tracing.span("send") as attributes:
        attributes["outcome"] = "sent"


def test_with_an_endpoint_and_without_the_extra_the_start_fails_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tracing.ENDPOINT, "http://127.0.0.1:4318")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ImportError):
        tracing.start()

"""Spans for OpenTelemetry: what a process does and for how long, without a patient, a value or an argument.

With the extra `tracing` and `OTEL_EXPORTER_OTLP_ENDPOINT` set, spans are sent there by HTTP. Else nothing is imported,
and a span costs a comparison.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"

_tracer: Any = None


def start() -> None:
    """Send the spans of this process, if the environment says where. Call it after a fork: a thread sends them.

    Raises:
        ImportError: an address is set, and the extra `tracing` is not installed.
    """
    if not os.environ.get(ENDPOINT):
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": "cartwatch"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    use(provider)


def use(provider: Any) -> None:
    """Make spans by a tracer provider; None: make none."""
    global _tracer
    _tracer = provider and provider.get_tracer("cartwatch")


@contextmanager
def span(name: str, **attributes: str | int) -> Iterator[dict[str, str | int]]:
    """A span around a piece of work. What is put into the yielded attributes until it ends is part of it."""
    if _tracer is None:
        yield attributes
        return
    # The text of an exception may hold what a sender wrote: only its class is kept.
    named = f"cartwatch {name}"
    with _tracer.start_as_current_span(named, record_exception=False, set_status_on_exception=False) as current:
        try:
            yield attributes
        except Exception as error:
            attributes["error"] = type(error).__name__
            raise
        finally:
            current.set_attributes({f"cartwatch.{key}": value for key, value in attributes.items()})

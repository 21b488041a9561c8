"""Spans by OpenTelemetry's SDK; nothing but `stream.traces.set_up` imports it, where a collector is named."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from contextvars import ContextVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from stream.records import Manifest
from stream.traces import Attribute
from stream.traces.ids import Ids, ids_of

#: Nanoseconds in a second and in a millisecond.
S, MS = 1_000_000_000, 1_000_000

#: Seconds that a collector may take with a batch, tries in all; a worker that ends may wait as long.
PATIENCE = 3.0
#: Variables that say otherwise.
TIMEOUTS = {"OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"}

#: The span that others lie below is told too, by whoever closes the period.
SAMPLED = trace.TraceFlags(trace.TraceFlags.SAMPLED)

#: Ids of the span that is begun at this moment; None: any.
_next: ContextVar[Ids | None] = ContextVar("next", default=None)


def to_collector() -> SpanProcessor:
    """Sends spans beside the work, by OTLP over HTTP, as OpenTelemetry's own variables say."""
    logging.getLogger("opentelemetry").setLevel(logging.ERROR)  # or each try would be a line
    return BatchSpanProcessor(OTLPSpanExporter(timeout=None if TIMEOUTS & os.environ.keys() else PATIENCE))


class Telling:
    """Tells spans of one worker."""

    def __init__(self, worker: str, processor: SpanProcessor) -> None:
        resource = Resource.create(
            {
                SERVICE_NAME: os.environ.get("OTEL_SERVICE_NAME", f"asmg-{worker}"),
                SERVICE_INSTANCE_ID: f"{socket.gethostname()}-{os.getpid()}",
            }
        )
        provider = TracerProvider(resource=resource, id_generator=_Ids())
        provider.add_span_processor(processor)
        self._tracer = provider.get_tracer("asmg")

    def period(self, manifest: Manifest) -> None:
        """From its opening to its manifest."""
        told = _of(manifest) | {"asmg.positives": manifest.positives, "asmg.reason": manifest.reason}
        _next.set(ids_of(manifest))
        span = self._tracer.start_span(
            "period", Context(), attributes=told, start_time=manifest.opened_at * MS
        )
        _next.set(None)
        span.end(manifest.closed_at * MS)

    def work(
        self,
        manifest: Manifest,
        name: str,
        began: int,
        ended: int,
        seconds: Mapping[str, float],
        attributes: Mapping[str, Attribute],
    ) -> None:
        """One span for all of it, and within it one for each stage."""
        ids = ids_of(manifest)
        above = trace.SpanContext(ids.trace, ids.span, is_remote=True, trace_flags=SAMPLED)
        told = _of(manifest) | {f"asmg.{one}": value for one, value in attributes.items()}
        whole = self._tracer.start_span(name, _below(above), attributes=told, start_time=began)
        at = began
        for stage, spent in seconds.items():
            part = self._tracer.start_span(
                f"{name} {stage}", _below(whole.get_span_context()), attributes=told, start_time=at
            )
            at += round(spent * S)
            part.end(at)
        whole.end(max(ended, at))


def _below(above: trace.SpanContext) -> Context:
    return trace.set_span_in_context(trace.NonRecordingSpan(above), Context())


def _of(manifest: Manifest) -> dict[str, Attribute]:
    return {"asmg.period": manifest.period, "asmg.samples": manifest.count}


class _Ids(RandomIdGenerator):
    """Random ones, but for the span of a period, whose ids others work out for themselves."""

    def generate_trace_id(self) -> int:
        ids = _next.get()
        return super().generate_trace_id() if ids is None else ids.trace

    def generate_span_id(self) -> int:
        ids = _next.get()
        return super().generate_span_id() if ids is None else ids.span

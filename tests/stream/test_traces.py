"""All of a period's spans are of one trace, whoever tells them; without a collector there are none."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Iterator

import msgspec
import pytest
from collector import collecting
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from waiting import until

from stream import traces
from stream.records import Manifest, decode, encode
from stream.traces.ids import ids_of
from stream.traces.telling import Telling

CLOSED = Manifest(
    period=31, parent="30", reason="count", count=500, positives=90, opened_at=1_000, closed_at=5_000
)
#: ns at which a worker begins in these tests.
BEGAN = 6_000_000_000


@pytest.fixture(autouse=True)
def _nobody_tells(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in (*traces.ENDPOINTS, "OTEL_SERVICE_NAME", "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    yield
    traces.tell_by(None)


@pytest.fixture
def told() -> InMemorySpanExporter:
    """What two processes tell of a period."""
    found = InMemorySpanExporter()
    for worker, tell in {
        "window": lambda: traces.period_closed(CLOSED),
        "train": lambda: traces.work_done(
            decode(Manifest, encode(CLOSED)), "train", BEGAN, {"read": 0.5, "score": 0.25}, version="theta/31"
        ),
    }.items():
        traces.tell_by(Telling(worker, SimpleSpanProcessor(found)))
        tell()
    return found


def test_spans_of_two_processes_lie_below_the_one_of_their_period(told: InMemorySpanExporter) -> None:
    spans = {one.name: one for one in told.get_finished_spans()}
    assert spans.keys() == {"period", "train", "train read", "train score"}
    ids = ids_of(CLOSED)
    assert {one.context.trace_id for one in spans.values()} == {ids.trace}
    assert (spans["period"].context.span_id, spans["period"].parent) == (ids.span, None)
    assert spans["train"].parent.span_id == ids.span
    assert spans["train read"].parent.span_id == spans["train"].context.span_id
    assert len({one.context.span_id for one in spans.values()}) == 4
    services = {name: one.resource.attributes["service.name"] for name, one in spans.items()}
    assert (services["period"], services["train"]) == ("asmg-window", "asmg-train")


def test_a_span_says_when_and_of_what(told: InMemorySpanExporter) -> None:
    spans = {one.name: one for one in told.get_finished_spans()}
    times = {name: (one.start_time, one.end_time) for name, one in spans.items()}
    assert times["period"] == (1_000_000_000, 5_000_000_000)
    assert times["train read"] == (BEGAN, BEGAN + 500_000_000)
    assert times["train score"] == (BEGAN + 500_000_000, BEGAN + 750_000_000)
    assert times["train"][0] == BEGAN
    assert times["train"][1] >= BEGAN + 750_000_000
    attributes = dict(spans["train"].attributes)
    assert attributes == {"asmg.period": 31, "asmg.samples": 500, "asmg.version": "theta/31"}
    assert spans["period"].attributes["asmg.positives"] == 90


def test_the_same_data_closed_again_is_another_trace() -> None:
    again = msgspec.structs.replace(CLOSED, closed_at=5_001)
    assert again.hash() == CLOSED.hash()
    assert ids_of(again).trace != ids_of(CLOSED).trace
    assert 0 < ids_of(CLOSED).trace < 1 << 128
    assert 0 < ids_of(CLOSED).span < 1 << 64


def test_a_collector_that_the_environment_names_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    with collecting() as collector:
        monkeypatch.setenv(traces.ENDPOINTS[0], collector.address)
        traces.set_up("serve")
        traces.work_done(CLOSED, "swap", time.time_ns(), {}, version="star/31")
        until(lambda: collector.spans)
        traces.tell_by(None)
    (span,) = collector.spans
    assert (span.service, span.name) == ("asmg-serve", "swap")
    assert span.trace == f"{ids_of(CLOSED).trace:032x}"
    assert span.below == f"{ids_of(CLOSED).span:016x}"
    assert span.told["asmg.version"] == "star/31"


def test_without_what_it_needs_a_worker_says_so_and_works_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(traces.ENDPOINTS[0], "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "stream.traces.telling", None)
    with caplog.at_level(logging.WARNING):
        traces.set_up("train")
    assert "install asmg-stream[otel]" in caplog.text
    traces.work_done(CLOSED, "train", BEGAN, {})


def test_without_a_collector_nothing_is_imported() -> None:
    code = (
        "import sys; import asmg.workers; from stream import traces; traces.set_up('train');"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_collector_that_is_away_holds_no_worker_up_at_its_end() -> None:
    code = (
        "import os; os.environ['OTEL_EXPORTER_OTLP_ENDPOINT'] = 'http://127.0.0.1:9';"
        "from stream import traces; from stream.records import Manifest; traces.set_up('train');"
        "traces.work_done(Manifest(period=1, parent='', reason='count'), 'train', 1, {})"
    )
    began = time.monotonic()
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0
    assert time.monotonic() - began < 30

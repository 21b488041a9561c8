"""What the loop has done so far: from the topics, and from serving what it took into service and when."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from types import TracebackType

import msgspec

from asmg.caller import ANYBODY, Caller
from serving.board import Row, Swap, rows
from serving.health import Standing
from serving.state import State
from stream import kafka
from stream.records import Manifest
from stream.topics import Topics
from trainer.announced import Announced


class Watch:
    """Follows the topics of periods and models from their beginning, and asks serving at its `page`."""

    def __init__(
        self,
        broker: Mapping[str, object],
        topics: Topics,
        page: str | None = None,
        caller: Caller = ANYBODY,
    ) -> None:
        self.announced = Announced(topics)
        self.swaps: dict[int, Swap] = {}
        self.serving: Standing | None = None  # what answers now
        self.sentence = ""
        self._page, self._caller = page, caller
        self._follower = kafka.Follower(broker, self.announced.followed)

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._follower.close()

    def catch_up(self) -> None:
        """Read what was there when following began. Raises: BrokerError."""
        while not self._follower.caught_up:
            self._take(kafka.GLANCE)

    def look(self) -> None:
        """Read what has come since. Raises: BrokerError."""
        self._take(0.0)
        if self._page is not None:
            with contextlib.suppress(OSError, ValueError):
                self.hear(state_at(self._page, self._caller))

    def hear(self, state: State) -> None:
        """What serving said. What an earlier serving process took into service is not forgotten."""
        self.serving = state.serving
        self.sentence = state.health.sentence
        for row in state.periods:
            swap = _swap(row)
            if swap is not None:
                self.swaps.setdefault(swap.period, swap)

    @property
    def rows(self) -> list[Row]:
        """A row per closed period, oldest first."""
        return rows(self.announced, self.swaps)

    @property
    def last(self) -> Manifest | None:
        """The last manifest of a period."""
        return self.announced.manifests[-1] if len(self.announced.manifests) > 1 else None

    def _take(self, timeout: float) -> None:
        for message in self._follower.poll(timeout):
            self.announced.take(message.topic(), message.value())


def state_at(address: str, caller: Caller = ANYBODY) -> State:
    """What serving at an address tells. Raises: OSError: nothing; ValueError: what is no state of serving."""
    try:
        return msgspec.json.decode(caller.fetch(f"{address}/state"), type=State)
    except msgspec.DecodeError as error:
        raise ValueError("this is no state of serving") from error


def metric(text: str, name: str) -> float | None:
    """The value of a metric without labels in Prometheus' text format; None where it is not there."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else None


def _swap(row: Row) -> Swap | None:
    """The swap that a row of serving's state tells of; None where it took nothing into service."""
    seconds, served = row.seconds, row.served
    if served is None or seconds.swap is None:
        return None
    awaited = seconds.close_to_served
    return Swap(
        period=row.period,
        kind=served.kind,
        version=served.version,
        swapped_at=row.closed_at + round((awaited or 0.0) * 1000),
        seconds=seconds.swap,
        awaited=awaited is not None,
    )

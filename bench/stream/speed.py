"""How fast something was: events over seconds that passed, and over seconds of CPU."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Speed:
    """Steady state of one or several processes together."""

    processes: int
    events: int  # that were timed
    seconds: float
    cpu_seconds: float  # of these processes, all their threads; what Kafka takes is not in it

    @property
    def per_second(self) -> float:
        """Events a second that passed."""
        return self.events / self.seconds

    @property
    def cpu_micros(self) -> float:
        """CPU time an event, µs: other work on the machine lengthens it less than what passes."""
        return self.cpu_seconds / self.events * 1e6

    def described(self) -> dict[str, float]:
        """As `--json` writes it."""
        return {
            "processes": self.processes,
            "events": self.events,
            "events_per_second": round(self.per_second),
            "cpu_micros_per_event": round(self.cpu_micros, 2),
        }

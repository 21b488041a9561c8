"""Which word to follow: the gate's newest, or an operator's until it is released."""

from __future__ import annotations

from stream.records import Serve


class Words:
    """A fold over the topic `serve`, from its beginning and in its order."""

    def __init__(self) -> None:
        self.gate: list[Serve] = []  # periods rising
        self.hold: Serve | None = None

    def take(self, word: Serve) -> None:
        """One record: a gate's whose period is not newer is passed over."""
        if word.release:
            self.hold = None
        elif word.held_by is not None:
            self.hold = word
        elif not self.gate or word.period > self.gate[-1].period:
            self.gate.append(word)

    @property
    def current(self) -> Serve | None:
        """What to serve now; None before the first word."""
        return self.hold or (self.gate[-1] if self.gate else None)

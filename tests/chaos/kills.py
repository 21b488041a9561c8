"""Workers that kill themselves at named steps, and Kafka killed in between: kill -9 in rotation."""

from __future__ import annotations

import random
import signal
import sys
import time
from collections import defaultdict, deque
from collections.abc import Sequence
from pathlib import Path

from loop import Failed, Loop, Worker
from steps import STEPS, Step

from asmg.supervise import last_line

#: Kafka itself is killed once for so many kills of workers.
KAFKA_EVERY = 9

#: Seconds that everybody has to have lived when Kafka is killed: who starts while it is away only ends again.
SETTLED = 4.0


def plan_of(kills: int, seed: int) -> list[Step]:
    """Steps to be killed at, so many less Kafka's own kills; each comes once before any comes twice."""
    chance = random.Random(seed)
    wanted, plan = kills - kills // (KAFKA_EVERY + 1), list[Step]()
    while len(plan) < wanted:
        plan += chance.sample(STEPS, min(len(STEPS), wanted - len(plan)))
    return plan


class Kills:
    """Each worker dies at each of its steps in turn; once it has died at all of them it runs on."""

    def __init__(self, plan: Sequence[Step]) -> None:
        self.count, self._of_kafka, self._dead_since = 0, 0, 0.0
        self._armed = defaultdict[str, deque[Step]](deque)
        for step in plan:
            self._armed[step.worker].append(step)

    def __str__(self) -> str:
        left = [f"{step.worker} {step.name}" for steps in self._armed.values() for step in steps]
        return f"{self.count} kills, left: {', '.join(left) or 'none'}"

    @property
    def done(self) -> bool:
        """Whether all steps were reached."""
        return not (any(self._armed.values()) or self._dead_since or self._kafka_is_next)

    @property
    def _kafka_is_next(self) -> bool:
        return (self.count - self._of_kafka) // KAFKA_EVERY > self._of_kafka

    def command(self, worker: str, words: Sequence[str]) -> list[str]:
        """The worker, to die at its next step where there is one."""
        if not self._armed[worker]:
            return ["-m", "asmg", *words]
        step = self._armed[worker][0]
        dying = Path(__file__).with_name("dying.py")
        return [str(dying), step.worker, step.name, str(step.count), "--", *words]

    def ended(self, worker: Worker, status: int) -> None:
        """Raises: Failed: it was not killed, and Kafka was not away."""
        if status == -signal.SIGKILL and self._armed[worker.name]:
            self._book(worker.name, self._armed[worker.name].popleft().name)
        elif "Kafka" not in last_line(worker.log):
            raise Failed(f"{worker.name} ended with {status}: {last_line(worker.log)}")

    def look(self, loop: Loop) -> None:
        """Kills a node of Kafka when it is its turn, and starts it again."""
        if self._dead_since:
            if time.monotonic() - self._dead_since > loop.broker.dead_for:
                loop.broker.start()
                self._dead_since = 0.0
            return
        lived = time.monotonic() - max(one.born for one in loop.workers)
        if self._kafka_is_next and lived > SETTLED:
            self._of_kafka += 1
            self._book(loop.broker.kill(), "between two records")
            self._dead_since = time.monotonic()

    def _book(self, who: str, where: str) -> None:
        self.count += 1
        print(f"{self.count:4d} {who} killed {where}", file=sys.stderr, flush=True)

"""Workers that kill themselves at named steps, Kafka and Redis killed in between: kill -9 in rotation."""

from __future__ import annotations

import random
import signal
import sys
import time
from collections import defaultdict, deque
from collections.abc import Sequence
from pathlib import Path

from loop import Loop, Peace, Worker
from steps import STEPS, Step

from asmg.supervise import last_line

#: Kafka is killed once for so many kills of workers, and Redis, which comes back empty, half way between.
EVERY = 9

#: Seconds that everybody has to have lived when Kafka is killed: who starts while it is away only ends again.
SETTLED = 4.0


def plan_of(kills: int, seed: int) -> list[Step]:
    """Steps to be killed at, so that with Kafka and Redis it is so many; each once before any twice."""
    chance = random.Random(seed)
    wanted, plan = next(n for n in range(kills + 1) if n + sum(_due(n)) >= kills), list[Step]()
    while len(plan) < wanted:
        plan += chance.sample(STEPS, min(len(STEPS), wanted - len(plan)))
    return plan


def _due(workers: int) -> tuple[int, int]:
    """How often Kafka and Redis are to have been killed by the time workers have been so often."""
    return workers // EVERY, (workers + EVERY // 2) // EVERY


class Kills(Peace):
    """Each worker dies at each of its steps in turn; once it has died at all of them it runs on."""

    def __init__(self, plan: Sequence[Step]) -> None:
        self._of_workers, self._of_kafka, self._of_redis, self._dead_since = 0, 0, 0, 0.0
        self._armed = defaultdict[str, deque[Step]](deque)
        for step in plan:
            self._armed[step.worker].append(step)

    def __str__(self) -> str:
        left = [f"{step.worker} {step.name}" for steps in self._armed.values() for step in steps]
        return f"{self.count} kills, left: {', '.join(left) or 'none'}"

    @property
    def done(self) -> bool:
        """Whether all steps were reached."""
        due = (self._of_kafka, self._of_redis) == _due(self._of_workers)
        return due and not (any(self._armed.values()) or self._dead_since)

    @property
    def count(self) -> int:
        """How often anything was killed."""
        return self._of_workers + self._of_kafka + self._of_redis

    def command(self, worker: str, words: Sequence[str]) -> list[str]:
        """The worker, to die at its next step where there is one."""
        if not self._armed[worker]:
            return super().command(worker, words)
        step = self._armed[worker][0]
        dying = Path(__file__).with_name("dying.py")
        return [str(dying), step.worker, step.name, str(step.count), "--", *words]

    def ended(self, worker: Worker, status: int) -> None:
        """Raises: Failed: it was not killed, and Kafka was not away."""
        if status == -signal.SIGKILL and self._armed[worker.name]:
            self._of_workers += 1
            self._tell(worker.name, self._armed[worker.name].popleft().name)
        elif "Kafka" not in last_line(worker.log):
            super().ended(worker, status)

    def look(self, loop: Loop) -> None:
        """Kills Redis or a node of Kafka when it is its turn, and starts it again."""
        kafka, redis = _due(self._of_workers)
        if redis > self._of_redis and loop.redis is not None:
            loop.redis.kill()
            self._of_redis += 1
            self._tell("Redis", "with all it held")
            loop.redis.start()
        if self._dead_since:
            if time.monotonic() - self._dead_since > loop.broker.dead_for:
                loop.broker.start()
                self._dead_since = 0.0
            return
        lived = time.monotonic() - max(one.born for one in loop.workers)
        if kafka > self._of_kafka and lived > SETTLED:
            self._of_kafka += 1
            self._tell(loop.broker.kill(), "between two records")
            self._dead_since = time.monotonic()

    def _tell(self, who: str, where: str) -> None:
        print(f"{self.count:4d} {who} killed {where}", file=sys.stderr, flush=True)

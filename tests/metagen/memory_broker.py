"""Kafka's seam in memory, for tests of workers."""

import threading
from collections import defaultdict
from types import SimpleNamespace

from stream.records import decode
from stream.topics import Topics

TOPICS = Topics("t.")
#: Periods that are closed when a test begins.
PERIODS = 6


class Killed(Exception):
    """Stands for kill -9: nothing of the worker goes on."""


class Broker:
    """Kafka's seam in memory: append-only topics of one partition, and when to die at a write."""

    def __init__(self):
        self.topics = defaultdict(list)
        self.lock = threading.Lock()
        self.dies = {}  # (topic, writes from now on) -> before or after the write

    def follower(self, _kafka, places):
        return Follower(self, places)

    def writer(self, _kafka):
        return SimpleNamespace(write=self.write, flush=lambda: None)

    def write(self, topic, value, *, key=None):
        left, when = self.dies.get(topic, (None, None))
        if left == 0 and when == "before":
            raise Killed
        with self.lock:
            self.topics[topic].append(value)
        if left == 0:
            raise Killed
        if left is not None:
            self.dies[topic] = (left - 1, when)

    def records(self, topic, kind):
        return [decode(kind, value) for value in self.topics[topic]]


class Follower:
    def __init__(self, broker, places):
        self.broker, self.positions = broker, {topic: 0 for topic, _ in places}
        self.ends = {topic: len(broker.topics[topic]) for topic in self.positions}

    def poll(self, timeout):
        found = []
        for topic, position in self.positions.items():
            values = self.broker.topics[topic][position:]
            found += [SimpleNamespace(topic=lambda t=topic: t, value=lambda v=value: v) for value in values]
            self.positions[topic] += len(values)
        if not found:
            threading.Event().wait(min(timeout, 0.005))
        return found

    @property
    def caught_up(self):
        return all(self.positions[topic] >= end for topic, end in self.ends.items())

    def close(self):
        pass

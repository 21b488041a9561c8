"""The bare loop: consume partitions of `events` and decode each record, and nothing else.

`python -m bench.stream.bare BOOTSTRAP TOPIC PARTITION...` is one process of it: it waits for a line on stdin,
so that several begin together, and prints what it did as JSON.
"""

from __future__ import annotations

import contextlib
import gc
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

import msgspec
from confluent_kafka import Consumer, KafkaError, TopicPartition

from bench.stream.speed import Speed
from stream import kafka
from stream.errors import BrokerError
from stream.settings import StreamSettings
from stream.window.log import Click, Impression, Tick
from stream.window.worker import YOUNG


def measure(broker: Mapping[str, object], topic: str, partitions: int, processes: int) -> Speed:
    """The loop over the whole topic, its partitions dealt out to so many processes. Raises: BrokerError."""
    command = [sys.executable, "-m", "bench.stream.bare", str(broker["bootstrap.servers"]), topic]
    with contextlib.ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen(
                    [*command, *map(str, range(first, partitions, processes))],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                )
            )
            for first in range(processes)
        ]  # fmt: skip
        for one in started:
            assert one.stdout is not None
            one.stdout.readline()  # it is ready
        for one in started:
            assert one.stdin is not None
            one.stdin.write("\n")
            one.stdin.flush()
        said = [one.communicate()[0] for one in started]
        if any(one.returncode for one in started):
            raise BrokerError("a bare loop ended badly")
    found = [json.loads(one) for one in said]
    seconds = max(one["ended"] for one in found) - min(one["began"] for one in found)
    events, cpu = (sum(one[name] for one in found) for name in ("records", "cpu_seconds"))
    return Speed(processes, events, seconds, cpu)


def read(bootstrap: str, topic: str, partitions: Sequence[int]) -> dict[str, float]:
    """From the beginning of the partitions to their end: records, began and ended (s), CPU seconds."""
    decode = msgspec.json.Decoder(Impression | Click | Tick).decode
    batch = StreamSettings().batch
    client = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "bench-bare",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "log_level": 2,
        }
    )
    client.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    records, at_end, began, cpu = 0, 0, 0.0, 0.0
    while at_end < len(partitions):
        found = client.consume(batch, kafka.GLANCE)
        if found and not began:  # what was fetched before the clock began is not counted
            began, cpu = time.time(), time.process_time()
            continue
        for message in found:
            if message.error() is not None:
                at_end += message.error().code() == KafkaError._PARTITION_EOF
            else:
                decode(message.value())
                records += 1
    ended, cpu = time.time(), time.process_time() - cpu
    client.close()
    return {"records": records, "began": began, "ended": ended, "cpu_seconds": cpu}


if __name__ == "__main__":
    gc.set_threshold(YOUNG, 50, 50)  # as windowing has it
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(read(sys.argv[1], sys.argv[2], [int(one) for one in sys.argv[3:]])))

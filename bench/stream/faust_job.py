"""The join-and-window job in Faust, run by `frameworks.py` in an environment of its own.

Arguments: BOOTSTRAP TOPIC EVENTS SKIP WINDOW PARTITIONS. The same job as far as Faust permits, in two tables:
each user's last 30 positives, and by id the impressions that wait; an impression takes its user's history, a
click within the window makes its impression's sample positive and adds to the history. Simplified, all in its
favour: tables lie in memory (with their changelogs in Kafka, as Faust has it) and not in RocksDB; samples are
counted and not written anywhere; an impression without a click makes no sample and is never forgotten, so
nobody looks for those that are over; events are taken as they come, so nothing waits for the watermark and
nobody is late; no duplicates are told apart; there are no periods. Prints the events behind the first SKIP,
and what they took.
"""

import json
import os
import sys
import time
from typing import Any

import faust

HISTORY = 30

bootstrap, topic, *numbers = sys.argv[1:]
events, skip, window, partitions = map(int, numbers)

app = faust.App(
    f"{topic}-faust", broker=f"kafka://{bootstrap}", store="memory://", topic_partitions=partitions,
    topic_replication_factor=1, web_enabled=False, consumer_auto_offset_reset="earliest",
    datadir=f"{sys.prefix}/faust",
)  # fmt: skip
source = app.topic(topic, key_type=bytes, key_serializer="raw", value_serializer="json")
histories = app.Table("histories", default=list, partitions=partitions)
waiting = app.Table("waiting", partitions=partitions)


@app.agent(source)  # type: ignore[untyped-decorator]
async def join(stream: Any) -> None:
    """Takes event after event, then says what it did and ends the process."""
    seen = positives = 0
    began, cpu_before = 0.0, 0.0
    async for value in stream:
        user, name = value["user_id"], value["impression_id"]
        if value["type"] == "impression":
            waiting[name] = [value["ts"], value["item_id"], histories[user]]
        else:
            shown = waiting.get(name)
            if shown is not None and value["ts"] < shown[0] + window:
                del waiting[name]
                histories[user] = [shown[1], *histories[user]][:HISTORY]
                positives += 1
        seen += 1
        if seen == skip:
            began, cpu_before = time.time(), time.process_time()
        elif seen == events:
            told = {
                "events": events - skip,
                "seconds": time.time() - began,
                "cpu_seconds": time.process_time() - cpu_before,
                "positives": positives,
            }
            print(json.dumps(told), flush=True)
            os._exit(0)


if __name__ == "__main__":
    app.Worker(loglevel="warning", quiet=True, redirect_stdouts=False).execute_from_commandline()

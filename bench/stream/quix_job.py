"""The join-and-window job in quix-streams, run by `frameworks.py` in an environment of its own.

Arguments: BOOTSTRAP TOPIC EVENTS SKIP WINDOW PARTITIONS. The same job as far as quix-streams permits, in its
state store: each user's last 30 positives, and by id the impressions that wait; an impression takes its
user's history, a click within the window makes its impression's sample positive and adds to the history.
Simplified, all in its favour: samples are counted and not written anywhere; an impression without a click
makes no sample and is never forgotten, so nobody looks for those that are over; events are taken as they
come, so nothing waits for the watermark and nobody is late; no duplicates are told apart; there are no
periods. At-least-once, its own defaults otherwise. Prints the events behind the first SKIP, and what they
took.
"""

import json
import sys
import time
from typing import Any

from quixstreams import Application

HISTORY = 30


class Join:
    """Called for each event; counts, and takes the time."""

    def __init__(self, events: int, skip: int, window: int) -> None:
        self.events, self.skip, self.window = events, skip, window
        self.seen = self.positives = 0
        self.began = self.ended = (0.0, 0.0)  # s, of the clock and of CPU

    def __call__(self, value: dict[str, Any], state: Any) -> None:
        """Takes the next event of a user; `state` is that user's."""
        if value["type"] == "impression":
            history = state.get("history") or []
            state.set(value["impression_id"], [value["ts"], value["item_id"], history])
        else:
            shown = state.get(value["impression_id"])
            if shown is not None and value["ts"] < shown[0] + self.window:
                state.delete(value["impression_id"])
                state.set("history", [shown[1], *(state.get("history") or [])][:HISTORY])
                self.positives += 1
        self.seen += 1
        if self.seen == self.skip:
            self.began = (time.time(), time.process_time())
        elif self.seen == self.events:
            self.ended = (time.time(), time.process_time())


def main() -> None:
    """Run until the last event."""
    bootstrap, topic, events, skip, window, _ = sys.argv[1:]
    app = Application(
        broker_address=bootstrap, consumer_group=f"{topic}-quix", auto_offset_reset="earliest",
        state_dir=f"{sys.prefix}/state", loglevel="WARNING",
    )  # fmt: skip
    app.clear_state()  # of an earlier run, on a Kafka that is gone
    join = Join(int(events), int(skip), int(window))
    source = app.topic(topic, value_deserializer="json", key_deserializer="str")
    app.dataframe(source).update(join, stateful=True)
    app.run(count=join.events)
    (began, cpu_before), (ended, cpu) = join.began, join.ended
    told = {
        "events": join.events - join.skip,
        "seconds": ended - began,
        "cpu_seconds": cpu - cpu_before,
        "positives": join.positives,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()

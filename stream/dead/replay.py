"""Dead letters read again, and those that are understood now written into `events`, each once.

Events keep the `source` and `row` that they would have had, or get the next rows of their record; they are
written in the order of their time, all of a run together. What dies when, and what becomes of it:

| killed                          | found at the next replay                  | then                       |
|---------------------------------|-------------------------------------------|----------------------------|
| before it says `begin`          | nothing                                   | all of it is done          |
| while events are in flight      | `begin` without `end`, some of its events | the others are written     |
| with requests that arrive later | their rows, again behind the new ones     | windowing drops them       |
| before or while it says `done`  | all of its events                         | that is said, none written |
| before it says `end`            | the same                                  | the same                   |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec
import pyarrow as pa
from confluent_kafka import Consumer

from stream import kafka
from stream.dead.again import read_again
from stream.dead.found import watermarks, written
from stream.dead.letters import REPLAYED, Identity, Letter, OnProgress, Wanted
from stream.dead.marks import BEGIN, DONE, END, HEADER, Begin, Replayed, done_marks
from stream.dead.reading import letter_in, records
from stream.dead.verdict import FINISHED, GONE, STILL_DEAD, Fresh, Judge, There, Verdict
from stream.errors import CorruptRecord
from stream.ingest.mapping import SLATE
from stream.ingest.source import decoders, foreign, mappings
from stream.records import now
from stream.replay.encode import partition_of
from stream.settings import IngestSettings, StreamSettings
from stream.topics import Topics

#: Stages told to whoever draws how far a replay is.
Stage = Callable[[str], OnProgress]


@dataclass(frozen=True)
class Asked:
    """Which letters are replayed, and whether anything is written."""

    wanted: Wanted = field(default_factory=Wanted)
    limit: int = 500_000  # letters, the oldest first: their events are held in memory
    dry: bool = False


@dataclass
class Report:
    """What became of the letters."""

    letters: Counter[tuple[str, str]] = field(default_factory=Counter)  # topic, outcome -> letters
    reasons: dict[tuple[str, str], str] = field(default_factory=dict)  # the first reason of each
    events: int = 0  # written, or to be written
    late: int = 0  # of them: windowing has passed their time
    before: int = 0  # letters of which a replay that died had written all
    more: int = 0  # letters beyond the limit
    unreadable: int = 0  # records of the topic that are no letters

    def add(self, one: Letter, verdict: Verdict) -> None:
        """One more letter."""
        key = one.place[0], verdict.outcome
        self.letters[key] += 1
        if verdict.reason:
            self.reasons.setdefault(key, verdict.reason)


@dataclass(frozen=True)
class _Row:
    """An event with its place among all."""

    fresh: Fresh
    identity: Identity  # of its record
    row: int
    wanted: int  # events of the record that replays write in all


class Replay:
    """Brings in what can be understood now; called once."""

    def __init__(
        self,
        broker: Mapping[str, object],
        client: Consumer,
        topics: Topics,
        ingest: IngestSettings,
        stream: StreamSettings,
        asked: Asked,
        stage: Stage,
    ) -> None:
        self._broker, self._client, self._topics = broker, client, topics
        self._foreign, self._asked, self._stage = foreign(ingest, broker), asked, stage
        tables = (decoders(ingest), mappings(ingest)) if ingest.sources else ({}, {})
        self._judge = Judge(*tables, topics.events, now() + stream.max_skew)
        self._report = Report()
        self._marks = Replayed()
        self._there: dict[Identity, There] = {}
        self._numbers: dict[Identity, list[int]] = {}  # of letters that are looked at, repeated ones too
        self._finished: set[Identity] = set()
        self._rows: list[_Row] = []

    def __call__(self) -> Report:
        """What became of the letters. Raises: AsmgError: the next replay knows what this one had written."""
        low, end = kafka.offsets(self._client, self._topics.dead_letters, 0)
        self._read_marks(low, end)
        if self._marks.open:
            told = self._stage("what a replay that died has written")
            self._there = written(self._client, self._topics, self._marks.open, told)
        self._read_letters(low, end)
        self._place()
        if not self._asked.dry:
            self._write()
        return self._report

    def _read_marks(self, low: int, end: int) -> None:
        told = self._stage("what is replayed already")
        for message in records(self._client, self._topics.dead_letters, 0, low, end, told):
            if (kind := kafka.header(message, HEADER)) is not None:
                self._marks.take(kind, message.value())

    def _read_letters(self, low: int, end: int) -> None:
        told, cut, done_before = self._stage("dead letters"), list[Letter](), set[Identity]()
        for message in records(self._client, self._topics.dead_letters, 0, low, end, told):
            if kafka.header(message, HEADER) is not None:
                continue
            try:
                one = letter_in(message)
            except CorruptRecord:
                self._report.unreadable += 1
                continue
            identity = one.identity
            if self._marks.holds(one.number):
                done_before.add(identity)
            elif identity in self._numbers:
                self._numbers[identity].append(one.number)
            elif identity not in done_before and (self._asked.wanted.holds(one) or identity in self._there):
                if len(self._numbers) >= self._asked.limit:
                    self._report.more += 1
                    continue
                self._numbers[identity] = [one.number]
                if one.cut and self._judge.knows(one):
                    cut.append(one)
                else:
                    self._take(one)
        # Of a letter that is repeated the later one may have been replayed alone, as --since had it.
        self._rows = [one for one in self._rows if one.identity not in done_before]
        cut = [one for one in cut if one.identity not in done_before]
        for one, whole in read_again(self._foreign, cut) if cut else ():
            if whole:
                self._take(one)
            else:
                why = f"Kafka has offset {one.offset} of partition {one.place[1]} no more"
                self._report.add(one, Verdict(GONE, why))

    def _take(self, one: Letter) -> None:
        """Judge a letter, and keep what has to be written of it."""
        there = self._there.get(one.identity, There())
        if there.whole:
            self._report.before += 1
            self._finished.add(one.identity)
            return
        verdict = self._judge.judge(one)
        missing = there.missing(one, verdict.events)
        if missing and missing[-1][0] >= SLATE:
            verdict = Verdict(STILL_DEAD, f"with what is in events already it makes more than {SLATE} events")
        self._report.add(one, verdict)
        if verdict.outcome not in FINISHED:
            return
        self._finished.add(one.identity)
        wanted = len(there.digests) + len(missing)
        first = one.offset * SLATE
        self._rows += [_Row(event, one.identity, first + place, wanted) for place, event in missing]

    def _place(self) -> None:
        """Give each event its partition, and tell how many come late."""
        self._report.events = len(self._rows)
        if not self._rows:
            return
        passed = watermarks(self._client, self._topics)
        users = pa.array([one.fresh.user for one in self._rows], pa.string())
        places = partition_of(users, len(passed)).tolist()
        self._partitions = [
            place if one.fresh.partition is None else one.fresh.partition
            for place, one in zip(places, self._rows, strict=True)
        ]
        self._report.late = sum(
            one.fresh.ts < passed[place] for place, one in zip(self._partitions, self._rows, strict=True)
        )

    def _write(self) -> None:
        """Say where events end, write, and say what is done. Raises: BrokerError."""
        writer = kafka.Writer(self._broker)
        done = [number for one in self._finished for number in self._numbers[one]]
        if self._rows:
            ends = {
                partition: kafka.offsets(self._client, self._topics.events, partition)[1]
                for partition in range(kafka.partitions_of(self._client, self._topics.events))
            }
            self._mark(writer, BEGIN, msgspec.json.encode(Begin(ends)))
            self._write_events(writer)
        for value in done_marks(done):
            self._mark(writer, DONE, value)
        unfinished = [
            one for one, there in self._there.items() if not there.whole and one not in self._finished
        ]
        if (self._rows or self._marks.open) and not unfinished:
            self._mark(writer, END, b"")

    def _write_events(self, writer: kafka.Writer) -> None:
        """All of them by time, a record's own in their order; returns once they are acknowledged."""
        told = self._stage("events")
        order = sorted(
            range(len(self._rows)),
            key=lambda n: (self._rows[n].fresh.ts, self._rows[n].identity.source, self._rows[n].row),
        )
        for count, number in enumerate(order, 1):
            one = self._rows[number]
            writer.write(
                self._topics.events,
                one.fresh.value,
                key=one.fresh.user.encode(),
                partition=self._partitions[number],
                headers=[
                    ("source", one.identity.source),
                    ("row", b"%d" % one.row),
                    (REPLAYED, b"%d" % one.wanted),
                ],
            )
            told(count, len(order))
        writer.flush()

    def _mark(self, writer: kafka.Writer, kind: bytes, value: bytes) -> None:
        """A mark that is acknowledged."""
        writer.write(self._topics.dead_letters, value, headers=[(HEADER, kind)])
        writer.flush()

"""The named steps of every worker at which it is killed: the rows of the tables in docs/guarantees.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Step:
    """A moment in a worker's work: just before or just after a call.

    `caller` narrows it to calls made, however far down, by a function of that name.
    """

    worker: str  # the command: replay, window, train, …
    name: str
    target: str  # "module:Class.function"
    when: Literal["before", "after"]
    caller: str = ""
    count: int = 1  # how often it is reached before it counts


def _steps(worker: str, *rows: tuple[object, ...]) -> list[Step]:
    return [Step(worker, *row) for row in rows]  # type: ignore[arg-type]


_WRITE_PART = "stream.store.parquet:os.fsync"
_PUT = "stream.store.parquet:ParquetStore.put"
_FLUSH = "stream.kafka:Writer.flush"

STEPS: list[Step] = [
    *_steps(
        "replay",
        ("before a chunk is sent", "stream.replay.worker:_Log.append", "before"),
        ("with a chunk in flight", "stream.replay.worker:_Log._flush", "before", "append"),
        ("between a chunk and its ticks", "stream.replay.worker:_Log.tick", "before"),
        ("between the ticks of a chunk", "stream.replay.worker:_Log._send", "after", "tick", 2),
        ("before the end", "stream.replay.worker:_Log.end", "before"),
        ("between the ticks of the end", "stream.replay.worker:_Log._send", "after", "end", 2),
    ),
    *_steps(
        "window",
        ("with a partition taken over", "stream.window.checkpoints:Checkpoints.load", "after"),
        ("after reading", "stream.window.worker:_Windower._read", "after"),
        ("with events joined, nothing written", "stream.window.worker:_Windower._write", "before"),
        ("with samples in flight", "stream.window.worker:_Windower._write", "after", "", 2),
        (
            "with all acknowledged, before a checkpoint",
            "stream.window.checkpoints:Checkpoints.save",
            "before",
        ),
        ("in the middle of a checkpoint's part", _WRITE_PART, "before", "save"),
        ("between the parts of a checkpoint", "stream.window.checkpoints:rest_table", "before"),
        ("between store and announcement", "stream.window.checkpoints:encode", "before", "save"),
        ("with a checkpoint's announcement in flight", _FLUSH, "before", "save"),
        ("after a checkpoint", "stream.window.checkpoints:Checkpoints.save", "after"),
        ("before a manifest", "stream.close.closer:Periods.accepted", "before", "_close"),
        ("with a manifest in flight", _FLUSH, "before", "_close"),
        ("with a manifest written, not read back", _FLUSH, "after", "_close"),
        ("after a manifest", "stream.close.closer:Periods.accepted", "after", "_close"),
    ),
    *_steps(
        "train",
        ("after reading", "trainer.periods:BaseModel.read", "after"),
        ("after scoring", "trainer.periods:BaseModel.score", "after"),
        ("in the middle of learning", "trainer.adam:DenseAdam.step", "before", "learn", 5),
        ("after learning", "trainer.periods:BaseModel.learn", "after"),
        ("in the middle of a part", _WRITE_PART, "before", "put_all"),
        ("in the middle of a snapshot", _PUT, "after", "put_all", 2),
        ("between store and announcement", "trainer.kafka:Logs.announce", "before"),
        ("with the announcement in flight", _FLUSH, "before", "announce"),
        ("with the announcement written, not read back", _FLUSH, "after", "announce"),
        ("after the announcement", "trainer.kafka:Logs.announce", "after"),
    ),
    *_steps(
        "metagen",
        ("after reading", "metagen.periods:MetaModel.read", "after"),
        ("after scoring", "metagen.periods:MetaModel.score", "after"),
        ("in the middle of training", "trainer.adam:DenseAdam.step", "before", "train", 5),
        ("after training", "metagen.periods:MetaModel.train", "after"),
        ("after generating", "metagen.periods:MetaModel.generate", "after"),
        ("in the middle of a part", _WRITE_PART, "before", "put_all"),
        ("in the middle of a snapshot", _PUT, "after", "put_all", 2),
        ("between store and announcement", "trainer.kafka:Logs.announce", "before"),
        ("with the announcement in flight", _FLUSH, "before", "announce"),
        ("with the announcement written, not read back", _FLUSH, "after", "announce"),
        ("between announcement and gate", "trainer.kafka:Logs.announce", "after"),
        ("with the gate's word in flight", _FLUSH, "before", "decide"),
        ("with the gate's word written, not read back", _FLUSH, "after", "decide"),
        ("after the gate's word", "trainer.kafka:Logs.decide", "after"),
    ),
    *_steps(
        "shadow",
        ("after learning", "trainer.periods:BaseModel.learn", "after"),
        ("in the middle of a snapshot", _PUT, "after", "put_all", 2),
        ("between store and announcement", "trainer.kafka:Logs.announce_shadow", "before"),
        ("with the announcement in flight", _FLUSH, "before", "announce_shadow"),
        ("after the announcement", "trainer.kafka:Logs.announce_shadow", "after"),
    ),
    *_steps(
        "serve",
        ("before a model is read", "serving.succession:fetch", "before"),
        ("between reading and swapping", "serving.succession:fetch", "after"),
        ("after a swap", "serving.succession:Succession._serve", "after"),
    ),
]


def named(worker: str, name: str) -> Step:
    """The step of that name."""
    return next(step for step in STEPS if (step.worker, step.name) == (worker, name))

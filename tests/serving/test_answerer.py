"""What a process that answers does with each message of its keeper."""

from __future__ import annotations

import gc
import json
import os
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest
from msgspec.structs import replace
from serving_factory import SEED, Factory, page_state

from serving.answerer import _Hands
from serving.bundle import Bundle
from serving.channel import (
    Beat,
    Beside,
    Channel,
    Drain,
    Forget,
    Left,
    Open,
    Prepare,
    Ready,
    Refused,
    Said,
    Show,
    Switch,
    Told,
)
from serving.fetch import fetch
from serving.health import Standing
from serving.opening import Opener
from serving.service import Service
from serving.telling import Teller
from stream.records import Announcement, Kind
from trainer.parts import table_of

STANDING = Standing(1, "theta", 1, 5_000)


class Api:
    """Takes connections once it is told to."""

    opened = 0

    def open(self) -> None:
        self.opened += 1


class Process:
    """The hands of a process, and the keeper's end."""

    def __init__(self, service: Service, factory: Factory) -> None:
        mine, theirs = socket.socketpair()
        mine.settimeout(10)
        self.keeper, self.channel, self.api = Channel(mine), Channel(theirs), Api()
        opener = Opener(factory.settings, SEED)
        self.hands = _Hands(service, opener, self.channel, cast(Any, self.api))

    def told(self, *messages: Told) -> None:
        for message in messages:
            self.hands.take(message, None)

    def prepare(self, bundle: Bundle, kind: Kind = "theta", version: int = 1) -> Said:
        """What it says to a model whose descriptor it is given."""
        with bundle:
            given = os.dup(bundle.fd)
            self.hands.take(Prepare(kind=kind, version=version, spans=bundle.spans), given)
        with pytest.raises(OSError):
            os.fstat(given)
        return self.keeper.said()


@pytest.fixture
def process(service: Service, factory: Factory) -> Iterator[Process]:
    process = Process(service, factory)
    yield process
    process.keeper.close()
    process.channel.close()


def bundle_of(factory: Factory, announced: Announcement) -> Bundle:
    return Bundle(fetch(factory.store, announced, factory.settings))


def test_a_model_answers_from_the_switch_on(process: Process, service: Service, factory: Factory) -> None:
    assert process.prepare(bundle_of(factory, factory.next())) == Ready()
    assert service.served is None
    process.told(Switch(standing=STANDING))
    assert process.keeper.said() == Left()
    first = service.served
    assert first is not None
    assert first.standing == STANDING
    assert process.prepare(bundle_of(factory, factory.next()), version=2) == Ready()
    assert service.served is first
    process.told(Switch(standing=Standing(2, "theta", 2, 6_000)))
    assert service.served is not None
    assert len(service.served.model.catalogue.items) >= len(first.model.catalogue.items)
    assert service.served.standing.version == 2


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_what_is_replaced_is_unmapped_and_then_said_to_be_left(
    process: Process, service: Service, factory: Factory
) -> None:
    gc.collect()
    others = resident().keys()
    process.prepare(bundle_of(factory, factory.next()))
    process.told(Switch(standing=STANDING))
    assert process.keeper.said() == Left()
    process.prepare(bundle_of(factory, factory.next("star")), "star", 1)
    process.told(Beside(kind="star", version=1))
    assert process.keeper.said() == Left()
    served, beside = service.served, service.beside  # requests that go on have them still
    assert served is not None
    assert beside is not None
    ours = resident().keys() - others
    assert len(ours) == 2
    assert all(resident()[one] for one in ours)
    process.prepare(bundle_of(factory, factory.next()), version=2)
    process.told(Switch(standing=Standing(2, "theta", 2, 6_000)))
    assert process.keeper.said() == Left()
    assert not any(resident()[one] for one in ours)
    (newest,) = resident().keys() - others - ours
    assert resident()[newest]
    for one in (served, beside):
        assert np.isfinite(one.model.score("u", [], ["i"]).logits).all()


def resident() -> dict[str, int]:
    """KiB that this process has of each mapped model, by its addresses."""
    found, place = {}, None
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if re.match("[0-9a-f]+-", line):
            place = line.split()[0] if "memfd:asmg-model" in line else None
        elif place is not None and line.startswith("Rss:"):
            found[place] = int(line.split()[1])
    return found


def test_a_model_that_cannot_be_used_is_refused_in_one_line_and_changes_nothing(
    process: Process, service: Service, factory: Factory
) -> None:
    process.prepare(bundle_of(factory, factory.next()))
    process.told(Switch(standing=STANDING))
    assert process.keeper.said() == Left()
    served = service.served
    said = process.prepare(Bundle({"user": table_of({"id": pa.array(["u"])})}), "star", 2)
    assert isinstance(said, Refused)
    assert said.why.startswith("star/2 cannot be used: ")
    assert "\n" not in said.why
    assert service.served is served


def test_a_score_that_is_not_finite_is_refused(process: Process, factory: Factory) -> None:
    factory.next()
    assert factory.base is not None
    for name, one in factory.base.snapshot.theta.tables.items():
        one.fill_(3e38 if name != "category" else 0)
    said = process.prepare(bundle_of(factory, factory.announce("star", 1, factory.parts("star"))), "star")
    assert said == Refused(why="star/1 gives a score that is not finite")


def test_the_other_model_is_kept_beside_and_answers_nothing(
    process: Process, service: Service, factory: Factory
) -> None:
    process.prepare(bundle_of(factory, factory.next()))
    process.told(Switch(standing=STANDING))
    served = service.served
    process.prepare(bundle_of(factory, factory.next("star")), "star", 2)
    process.told(Beside(kind="star", version=2))
    assert service.served is served
    assert service.beside is not None
    assert (service.beside.kind, service.beside.version) == ("star", 2)
    process.prepare(bundle_of(factory, factory.next()), version=3)
    assert service.beside is not None
    process.told(Switch(standing=Standing(3, "theta", 3, 6_000)))
    assert service.beside is None


def test_a_model_that_is_forgotten_is_let_go(process: Process, factory: Factory) -> None:
    process.prepare(bundle_of(factory, factory.next()))
    process.told(Forget(), Forget())
    assert process.hands._prepared is None


def test_it_takes_connections_and_ends_when_it_is_told_to(process: Process) -> None:
    process.told(Open())
    assert (process.api.opened, process.hands.draining) == (1, False)
    process.told(Drain())
    assert process.hands.draining


def test_what_page_and_api_tell_is_what_was_shown_last_and_every_beat_since(
    process: Process, service: Service
) -> None:
    teller, whole = Teller(), page_state(6)
    shown = teller.tell(whole)
    process.told(Show(telling=shown))
    assert service.telling == shown
    for seconds in (98.0, 99.0):
        later = teller.tell(replace(whole, busy_seconds=seconds))
        process.told(Beat(health=later.health, pulse=later.pulse))
        assert service.telling == later
    found = json.loads(service.telling.whole())
    assert found["busy_seconds"] == 99.0
    assert [one["period"] for one in found["periods"]] == [1, 2, 3, 4, 5, 6]
    assert found["moments"][-1]["at"] == whole.moments[-1].at

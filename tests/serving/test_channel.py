"""Keeper and answerers tell each other messages over a pair of sockets, and notice when the other is gone."""

from __future__ import annotations

import os
import socket
import struct
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from serving_factory import page_state

from serving import channel as of_channel
from serving.bundle import Bundle, Mapped, Span
from serving.channel import (
    Beat,
    Begin,
    Beside,
    Channel,
    Closed,
    Drain,
    Forget,
    Open,
    Prepare,
    Ready,
    Refused,
    Report,
    Said,
    Show,
    Switch,
    Told,
    Up,
    begin,
)
from serving.health import Standing
from serving.settings import ServingSettings
from serving.state import NOTHING, Pulse, State
from serving.telling import Teller
from stream.settings import StreamSettings
from stream.topics import Topics
from trainer.parts import table_of
from trainer.settings import TrainerSettings

#: Seconds a message may take from one end to the other.
DEADLINE = 10

TOLD: list[Told] = [
    Begin(
        kafka={"bootstrap.servers": "x:1", "fetch.wait.max.ms": 100},
        prefix="t.",
        seed=-3,
        stream={"partitions": 2},
        trainer={},
        serving={"port": 0},
    ),
    Prepare(kind="star", version=7, spans=[Span("user", 0, 10), Span("mlp", 64, 2**40)]),
    Switch(standing=Standing(7, "star", 8, 1_700_000_000_000)),
    Beside(kind="theta", version=7),
    Forget(),
    Show(telling=Teller().tell(page_state(6))),
    Beat(health=page_state(6).health, pulse=Teller().tell(page_state(6)).pulse),
    Open(),
    Drain(),
]
SAID: list[Said] = [
    Up(),
    Ready(),
    Refused(why="star/7 gives a score that is not finite: é 😀"),
    Report(
        statuses={200: 5, 429: 1},
        seconds=[0.001, 1e-9],
        unknown_users=1,
        unknown_items=2,
        impressions=3,
        impressions_lost=4,
        histories=5,
        histories_behind=6,
        unreadable=7,
    ),
]


class Ends:
    """Both ends, and the sockets below them."""

    def __init__(self) -> None:
        self.mine, self.theirs = socket.socketpair()
        for end in (self.mine, self.theirs):
            end.settimeout(DEADLINE)  # a message that never comes is a failure, not a hanging test
        self.keeper, self.answerer = Channel(self.mine), Channel(self.theirs)


@pytest.fixture
def ends() -> Iterator[Ends]:
    ends = Ends()
    yield ends
    ends.keeper.close()
    ends.answerer.close()


def opened(content: bytes = b"") -> int:
    """A descriptor of a file with this content."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return os.dup(file.fileno())


@pytest.mark.parametrize("message", TOLD, ids=lambda one: type(one).__name__)
def test_what_the_keeper_tells_comes_as_it_was_sent(ends: Ends, message: Told) -> None:
    ends.keeper.send(message)
    assert ends.answerer.told() == (message, None)


@pytest.mark.parametrize("message", SAID, ids=lambda one: type(one).__name__)
def test_what_an_answerer_says_comes_as_it_was_sent(ends: Ends, message: Said) -> None:
    ends.answerer.send(message)
    assert ends.keeper.said() == message


def test_messages_come_in_the_order_they_were_sent(ends: Ends) -> None:
    for _ in range(3):
        for message in TOLD:
            ends.keeper.send(message)
            assert ends.answerer.waits(DEADLINE)
            assert ends.answerer.told() == (message, None)
    for message in SAID * 5:
        ends.answerer.send(message)
    assert [ends.keeper.said() for _ in range(5 * len(SAID))] == SAID * 5
    assert not ends.keeper.waits(0.0)


@pytest.mark.parametrize("state", [NOTHING, page_state(12)], ids=["nothing", "twelve periods"])
def test_a_state_comes_whole_with_its_rows(ends: Ends, state: State) -> None:
    ends.keeper.send(Show(telling=Teller().tell(state)))
    told, _ = ends.answerer.told()
    assert isinstance(told, Show)
    assert told.telling.health == state.health
    found = msgspec.json.decode(told.telling.whole(), type=State)
    assert found.pulse() == msgspec.convert(msgspec.to_builtins(state.pulse()), Pulse)
    assert list(found.periods) == list(state.periods)
    assert list(found.moments) == list(state.moments)
    assert list(found.swaps) == list(state.swaps)


def test_a_message_larger_than_what_a_socket_holds_comes_whole(ends: Ends) -> None:
    shown = Show(telling=Teller().tell(page_state(4_000)))
    sender = threading.Thread(target=ends.keeper.send, args=(shown,))
    sender.start()
    told, _ = ends.answerer.told()
    sender.join(DEADLINE)
    assert told == shown


def test_a_descriptor_travels_with_its_message_and_none_with_the_others(ends: Ends) -> None:
    part = table_of({"row": pa.array(np.arange(5))})
    with Bundle({"user": part}) as bundle:
        ends.keeper.send(Open())
        ends.keeper.send(Prepare(kind="theta", version=1, spans=bundle.spans), bundle.fd)
        ends.keeper.send(Forget())
    assert ends.answerer.told() == (Open(), None)
    told, fd = ends.answerer.told()
    assert isinstance(told, Prepare)
    assert fd is not None
    assert ends.answerer.told() == (Forget(), None)
    mapped = Mapped(fd, told.spans)
    os.close(fd)
    assert mapped.parts["user"].equals(part)


def test_each_message_has_its_own_descriptor(ends: Ends) -> None:
    for number in range(3):
        fd = opened(bytes([number]))
        ends.keeper.send(Prepare(kind="theta", version=number, spans=[]), fd)
        os.close(fd)
    for number in range(3):
        told, there = ends.answerer.told()
        assert isinstance(told, Prepare)
        assert there is not None
        assert (told.version, os.pread(there, 9, 0)) == (number, bytes([number]))
        os.close(there)


def test_a_descriptor_that_an_answerer_sends_is_not_kept(ends: Ends) -> None:
    fd = opened()
    ends.answerer.send(Ready(), fd)
    os.close(fd)
    assert ends.keeper.said() == Ready()
    again = opened()
    assert again == fd  # the lowest that is free: nothing has taken it
    os.close(again)


def test_where_the_other_end_is_gone_everything_says_so(ends: Ends) -> None:
    ends.answerer.close()
    assert ends.keeper.waits(0.0)  # its end can be heard
    with pytest.raises(Closed):
        ends.keeper.said()
    with pytest.raises(Closed):
        ends.keeper.send(Open())
    fd = opened()
    with pytest.raises(Closed):
        ends.keeper.send(Prepare(kind="theta", version=1, spans=[]), fd)
    os.close(fd)


def test_what_was_said_before_the_end_is_heard_first(ends: Ends) -> None:
    ends.answerer.send(Ready())
    ends.answerer.send(Up())
    ends.answerer.close()
    assert [ends.keeper.said(), ends.keeper.said()] == [Ready(), Up()]
    with pytest.raises(Closed):
        ends.keeper.said()


@pytest.mark.parametrize("sent", [b"\x00", b"\x00\x00\x00", b"\x00\x00\x00\x09", b"\x00\x00\x00\x09abc"])
def test_an_end_in_the_middle_of_a_message_is_an_end(ends: Ends, sent: bytes) -> None:
    ends.mine.sendall(sent)
    ends.keeper.close()
    with pytest.raises(Closed):
        ends.answerer.told()


def test_a_head_that_comes_piece_by_piece_is_put_together(ends: Ends) -> None:
    content = of_channel._encoder.encode(Ready())
    message = struct.pack("!I", len(content)) + content

    def send() -> None:
        for one in message:
            ends.theirs.sendall(bytes([one]))

    sender = threading.Thread(target=send)
    sender.start()
    assert ends.keeper.said() == Ready()
    sender.join(DEADLINE)


def test_a_message_that_is_too_long_is_refused_before_it_is_read(ends: Ends) -> None:
    ends.theirs.sendall(struct.pack("!I", of_channel._LIMIT + 1))
    with pytest.raises(Closed):
        ends.keeper.said()


def test_a_message_at_the_limit_is_taken(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    content = of_channel._encoder.encode(SAID[-1])
    monkeypatch.setattr(of_channel, "_LIMIT", len(content))
    ends.answerer.send(SAID[-1])
    assert ends.keeper.said() == SAID[-1]
    monkeypatch.setattr(of_channel, "_LIMIT", len(content) - 1)
    ends.answerer.send(SAID[-1])
    with pytest.raises(Closed):
        ends.keeper.said()


def test_waiting_ends_without_a_message(ends: Ends) -> None:
    assert not ends.keeper.waits(0.0)
    assert not ends.keeper.waits(0.001)
    ends.answerer.send(Up())
    assert ends.keeper.waits(DEADLINE)
    assert ends.keeper.fileno() == ends.mine.fileno()


def test_settings_come_as_they_were(ends: Ends, tmp_path: Path) -> None:
    stream = StreamSettings(partitions=5, lateness=77)
    trainer = TrainerSettings(strategy="sml-mf", user_rows="hash:9", shadow=("iu",))
    serving = ServingSettings(port_file=tmp_path / "port", clock="stream", workers=3)
    ends.keeper.send(begin({"a": 1}, Topics("p."), 9, stream, trainer, serving))
    told, _ = ends.answerer.told()
    assert isinstance(told, Begin)
    assert StreamSettings.model_validate(told.stream) == stream
    assert TrainerSettings.model_validate(told.trainer) == trainer
    assert ServingSettings.model_validate(told.serving) == serving
    assert (told.kafka, told.prefix, told.seed) == ({"a": 1}, "p.", 9)

"""As many requests wait as can be answered in time; the others are told so at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from clock import Clock

from serving.line import Line
from serving.request import BadRequest


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Time that passes only where a request is said to take some."""
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


async def request(line: Line, clock: Clock, seconds: float, timeout: float | None = None) -> float:
    """One that takes so long to compute; when it began to."""
    async with line.turn(timeout):
        began = clock()
        clock.now += seconds
    return began


async def settled(line: Line, clock: Clock, seconds: float) -> None:
    """A line whose requests have taken so long for a while."""
    for _ in range(200):
        await request(line, clock, seconds)


def run(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return asyncio.run(work())


async def refusal(waiting: Awaitable[object]) -> tuple[int, str]:
    with pytest.raises(BadRequest) as told:
        await waiting
    return told.value.status, str(told.value)


def test_a_request_is_let_in_while_the_mean_time_of_those_inside_allows(clock: Clock) -> None:
    async def work() -> list[object]:
        line = Line(patience=0.1)
        await settled(line, clock, 0.02)
        every = await asyncio.gather(*(request(line, clock, 0.02) for _ in range(9)), return_exceptions=True)
        assert line.wait == 0
        return every

    answers = run(work)
    # 0.02 s each: five or six inside leave a turn within 0.1 s, as the mean is a hair off.
    assert [isinstance(one, float) for one in answers] == [True] * 6 + [False] * 3
    assert all(isinstance(one, BadRequest) and one.status == 429 for one in answers[6:])


def test_a_refusal_says_how_many_wait_and_how_long(clock: Clock) -> None:
    async def work() -> tuple[int, str]:
        line = Line(patience=0.03)
        await settled(line, clock, 0.05)
        inside = asyncio.create_task(request(line, clock, 0.05))
        await asyncio.sleep(0)
        told = await refusal(request(line, clock, 0.05))
        await inside
        return told

    status, told = run(work)
    assert status == 429
    assert told == "1 requests wait already, 50 ms of work; ask again soon"


def test_the_first_requests_are_let_in_as_nothing_is_known_of_their_time(clock: Clock) -> None:
    async def work() -> list[float]:
        line = Line(patience=0.001)
        return list(await asyncio.gather(*(request(line, clock, 1.0) for _ in range(50))))

    assert len(run(work)) == 50


def test_an_empty_line_lets_in_however_long_the_last_requests_took(clock: Clock) -> None:
    async def work() -> None:
        line = Line(patience=0.001)
        await settled(line, clock, 5.0)
        assert line.wait == 0
        await request(line, clock, 5.0)

    run(work)


def test_requests_are_answered_in_the_order_they_came(clock: Clock) -> None:
    async def work() -> list[float]:
        return list(await asyncio.gather(*(request(Line(9.0), clock, 0.01) for _ in range(5))))

    began = run(work)
    assert began == sorted(began)


def test_the_mean_follows_what_requests_take(clock: Clock) -> None:
    async def work() -> tuple[float, float]:
        line, waits = Line(patience=9.0), []
        for seconds in (0.1, 0.01):
            await settled(line, clock, seconds)
            async with line.turn():
                waits.append(line.wait)
        return waits[0], waits[1]

    slow, fast = run(work)
    assert slow == pytest.approx(0.1, rel=0.01)
    assert fast == pytest.approx(0.01, rel=0.01)


def test_nobody_computes_for_a_caller_whose_time_is_over_before_its_turn(clock: Clock) -> None:
    async def work() -> tuple[list[object], bool]:
        line = Line(patience=9.0)
        every = await asyncio.gather(
            request(line, clock, 0.2),
            request(line, clock, 0.2, timeout=0.1),
            request(line, clock, 0.2, timeout=0.3),
            return_exceptions=True,
        )
        return list(every), line.wait == 0

    (first, late, third), empty = run(work)
    assert isinstance(first, float)
    assert isinstance(late, BadRequest)
    assert (late.status, str(late)) == (504, "the 100 ms the caller would wait were over before its turn")
    assert third == first + 0.2  # who is refused takes no time
    assert empty


def test_a_time_that_is_long_enough_refuses_nobody(clock: Clock) -> None:
    async def work() -> None:
        await request(Line(patience=9.0), clock, 3.0, timeout=0.001)  # its own computing does not count

    run(work)


@pytest.mark.parametrize("error", [BadRequest(422, "k"), ValueError("ours"), asyncio.CancelledError()])
def test_who_fails_leaves_the_line_and_its_mean_as_they_were(clock: Clock, error: BaseException) -> None:
    async def work() -> tuple[float, float, float]:
        line = Line(patience=9.0)
        await settled(line, clock, 0.02)
        before = line._mean

        async def fail() -> None:
            async with line.turn():
                clock.now += 7.0
                raise error

        with pytest.raises(type(error)):
            await fail()
        return line.wait, before, line._mean

    wait, before, after = run(work)
    assert wait == 0
    assert before == after


def test_who_hangs_up_before_its_turn_leaves_the_line(clock: Clock) -> None:
    async def work() -> float:
        line = Line(patience=9.0)
        await settled(line, clock, 0.02)
        waiting = asyncio.create_task(request(line, clock, 0.02))
        await asyncio.sleep(0)
        assert line.wait > 0
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return line.wait

    assert run(work) == 0

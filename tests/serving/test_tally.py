"""Each request is counted once, wherever it was answered, and rates are those of the last seconds."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from clock import Clock

from serving.state import Requests
from serving.tally import WINDOW, Sums, Tally


@pytest.fixture
def _often() -> Iterator[None]:
    """Threads that hand the interpreter over as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def book(tally: Tally, status: int, seconds: float) -> None:
    tally.statuses[status] += 1
    tally.seconds.append(seconds)
    tally.unknown["users"] += 1
    tally.unknown["items"] += 3


def test_news_are_what_was_counted_since_they_were_last_told() -> None:
    tally = Tally()
    assert tally.news() == (Counter(), [], Counter())
    book(tally, 200, 0.5)
    book(tally, 429, 0.25)
    assert tally.news() == (Counter({200: 1, 429: 1}), [0.5, 0.25], Counter(users=2, items=6))
    book(tally, 200, 0.125)
    assert tally.news() == (Counter({200: 1}), [0.125], Counter(users=1, items=3))
    assert tally.news() == (Counter(), [], Counter())


def test_news_name_no_status_that_nothing_happened_to() -> None:
    tally = Tally()
    book(tally, 500, 1.0)
    tally.news()
    book(tally, 200, 1.0)
    tally.unknown["users"] += 0
    statuses, _, unknown = tally.news()
    assert dict(statuses) == {200: 1}
    assert unknown["items"] == 3


@pytest.mark.usefixtures("_often")
def test_each_thing_is_told_once_also_while_another_thread_adds() -> None:
    tally, count = Tally(), 20_000
    done = threading.Event()

    def answer() -> None:
        for number in range(count):
            book(tally, (200, 422, 429)[number % 3], float(number))
        done.set()

    thread = threading.Thread(target=answer)
    thread.start()
    statuses, seconds, unknown, asked = Counter[int](), list[float](), Counter[str](), 0
    over = False
    while not over:
        over = done.is_set()
        news = tally.news()
        statuses, unknown, asked = statuses + news[0], unknown + news[2], asked + 1
        seconds += news[1]
    thread.join()
    assert asked > 1
    assert seconds == [float(one) for one in range(count)]
    assert statuses == Counter((200, 422, 429)[number % 3] for number in range(count))
    assert unknown == Counter(users=count, items=3 * count)


def test_before_the_first_request_there_is_no_percentile(clock: Clock) -> None:
    assert Sums(clock).requests() == Requests()


def test_percentiles_and_rate_are_those_of_the_window(clock: Clock) -> None:
    sums = Sums(clock)
    clock.now += 100
    sums.add({200: 50}, [9.0] * 50)
    clock.now += WINDOW
    sums.add({200: 60, 429: 40}, [one / 1000 for one in range(101)])
    told = sums.requests()
    assert told == Requests(total=150, per_second=10.0, p50_ms=50.0, p99_ms=99.0, refused=40)


def test_a_shorter_window_counts_only_its_own(clock: Clock) -> None:
    sums = Sums(clock)
    for seconds in range(20):
        clock.now += 1
        sums.add({200: seconds}, [seconds / 1000] * seconds)
    lately = sums.requests(window=1.0)
    assert (lately.per_second, lately.p50_ms, lately.p99_ms) == (19.0, 19.0, 19.0)
    assert sums.requests().per_second == sum(range(10, 20)) / 10
    clock.now += 1
    assert sums.requests(window=1.0) == Requests(total=190, per_second=0.0)


def test_asking_for_a_shorter_window_takes_nothing_from_the_longer_one(clock: Clock) -> None:
    sums = Sums(clock)
    clock.now += 50
    sums.add({200: 10}, [])
    clock.now += 5
    assert sums.requests(window=1.0).per_second == 0
    assert sums.requests().per_second == 1.0


def test_what_is_older_than_the_window_is_let_go(clock: Clock) -> None:
    sums = Sums(clock)
    for _ in range(1_000):
        clock.now += 0.25
        sums.add({200: 1}, [0.001])
        sums.requests()
    assert len(sums._last) <= 4 * WINDOW
    assert sums.requests().total == 1_000


def test_a_rate_is_taken_over_the_time_since_the_start_where_that_is_shorter(clock: Clock) -> None:
    sums = Sums(clock)
    sums.add({200: 30}, [])
    assert sums.requests().per_second == 30.0  # a second at least
    clock.now += 3
    assert sums.requests().per_second == 10.0
    clock.now += 5
    assert sums.requests().per_second == 3.8


def test_requests_that_were_not_computed_count_for_the_rate_and_not_for_the_times(clock: Clock) -> None:
    sums = Sums(clock)
    sums.add({422: 2, 429: 3}, [])
    told = sums.requests()
    assert (told.total, told.refused, told.per_second) == (5, 3, 5.0)
    assert told.p50_ms is told.p99_ms is None


def test_reports_of_all_processes_add_up(clock: Clock) -> None:
    sums = Sums(clock)
    for _ in range(3):
        sums.add({200: 2}, [0.001, 0.002])
        sums.add({}, [])
    assert sums.requests().total == 6
    assert sums.requests().p50_ms == 1.5

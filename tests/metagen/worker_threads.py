"""Workers in threads, until something holds or one of them is killed."""

import threading
from collections.abc import Callable
from typing import Any

from memory_broker import Killed

#: Seconds the workers may take for all periods of a test, and to end once they are told to.
DEADLINE = 60


def run_until(place: Any, *jobs: tuple[Any, ...], holds: Callable[[], bool]) -> list[Any]:
    """Those that were killed, and what others raised. A job: the worker, and its settings."""
    stop, died = threading.Event(), []

    def guarded(work: Callable[..., None], *settings: object) -> None:
        try:
            work(place, *settings, stop)
        except Killed:
            died.append(work)
            stop.set()
        except BaseException as error:
            died.append(error)
            stop.set()
            raise

    threads = [threading.Thread(target=guarded, args=job, daemon=True) for job in jobs]
    for one in threads:
        one.start()
    wait = threading.Event()
    for _ in range(DEADLINE * 100):
        if stop.is_set() or holds():
            break
        wait.wait(0.01)
    stop.set()
    for one in threads:
        one.join(DEADLINE)
        assert not one.is_alive()
    return died

"""A worker in a thread of the test's own process."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Seconds a worker may take to end once it is told to.
ENDING = 60.0


@contextmanager
def at_work(work: Callable[..., None], *arguments: object) -> Iterator[list[BaseException]]:
    """A worker while the context lasts; what it raises is in the list, and raised at the end."""
    stop, failed = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            work(*arguments, stop)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield failed
    finally:
        stop.set()
        thread.join(ENDING)
        if failed:
            raise failed[0]
    assert not thread.is_alive()

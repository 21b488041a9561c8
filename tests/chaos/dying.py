"""A worker that kills itself, as a power cut would: dying.py WORKER STEP COUNT -- WORDS OF ASMG."""

from __future__ import annotations

import functools
import importlib
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

from steps import Step, named


def find(target: str) -> tuple[object, str, Callable[..., object]]:
    """Owner, name and function of "module:Class.function"."""
    module, path = target.split(":")
    owner: object = importlib.import_module(module)
    *outer, name = path.split(".")
    for one in outer:
        owner = getattr(owner, one)
    return owner, name, getattr(owner, name)


def arm(step: Step, die: Callable[[], None]) -> None:
    """Have `die` called when the step is reached for the `count`-th time.

    After a call that came back with nothing (no records, no model yet) nothing was reached.
    """
    owner, name, function = find(step.target)
    left = step.count

    def reached() -> None:
        nonlocal left
        if step.caller and not _called_by(step.caller, sys._getframe(2)):
            return
        left -= 1
        if left == 0:
            die()

    @functools.wraps(function)
    def armed(*args: object, **keywords: object) -> object:
        if step.when == "before":
            reached()
        out = function(*args, **keywords)
        if step.when == "after" and (out is None or out):
            reached()
        return out

    setattr(owner, name, armed)


def _called_by(name: str, frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_name == name:
            return True
        frame = frame.f_back
    return False


if __name__ == "__main__":
    worker, name, count, dashes, *words = sys.argv[1:]
    wanted = named(worker, name)
    arm(
        Step(wanted.worker, wanted.name, wanted.target, wanted.when, wanted.caller, int(count)),
        lambda: os.kill(os.getpid(), signal.SIGKILL),
    )
    sys.argv = ["asmg", *words]
    from asmg.cli import main

    main()

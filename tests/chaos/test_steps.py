"""That every named step is one, and that who is armed dies there and nowhere else."""

import time

import pytest
from dying import arm, find
from jumping import JUMPS, jump
from steps import STEPS, Step

DIED = RuntimeError("died")


class Work:
    """Something with steps."""

    def __init__(self):
        self.done = []

    def read(self, found):
        self.done.append("read")
        return found

    def write(self):
        self.done.append("write")

    def commit(self):
        for _ in range(3):
            self.write()


def die():
    raise DIED


@pytest.fixture
def work(monkeypatch):
    for name in ("read", "write"):
        monkeypatch.setattr(Work, name, getattr(Work, name))  # put back at the end
    return Work()


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step.worker} {step.name}")
def test_a_named_step_is_a_function_of_ours(step):
    _, _, function = find(step.target)
    assert callable(function)


def test_names_are_unique():
    assert len({(step.worker, step.name) for step in STEPS}) == len(STEPS)


def test_who_is_armed_dies_before_the_call_that_counts(work):
    arm(Step("work", "", f"{__name__}:Work.write", "before", count=2), die)
    with pytest.raises(RuntimeError, match="died"):
        work.commit()
    assert work.done == ["write"]


def test_who_is_armed_dies_after_the_call_that_counts(work):
    arm(Step("work", "", f"{__name__}:Work.write", "after", count=2), die)
    with pytest.raises(RuntimeError, match="died"):
        work.commit()
    assert work.done == ["write"] * 2


def test_a_call_that_came_back_with_nothing_does_not_count(work):
    arm(Step("work", "", f"{__name__}:Work.read", "after"), die)
    work.read([])
    with pytest.raises(RuntimeError, match="died"):
        work.read(["a record"])


def test_a_call_by_somebody_else_does_not_count(work):
    arm(Step("work", "", f"{__name__}:Work.write", "before", caller="commit"), die)
    work.write()
    with pytest.raises(RuntimeError, match="died"):
        work.commit()


def test_a_clock_jumps_at_every_reading(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    monkeypatch.setattr(time, "time_ns", lambda: 10**12)
    jump()
    assert [time.time() - 1000.0 for _ in JUMPS] == list(JUMPS)
    assert time.time_ns() == 10**12 + JUMPS[0] * 10**9

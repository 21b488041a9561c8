"""What `bench.soak` makes of its samples of memory; the loop itself takes half an hour."""

import os

import numpy as np
import pytest

from asmg.options import settings_of
from asmg.staging import ports
from bench.soak.__main__ import figures
from bench.soak.figure import draw
from bench.soak.loop import Ran, _workers
from bench.soak.sizes import Sizes
from bench.soak.trend import trend

HOURS = np.linspace(0, 0.5, 361)


def test_a_slope_is_found_behind_the_warm_up() -> None:
    sizes = np.where(HOURS < 0.1, 5_000 * HOURS, 500 + 40 * (HOURS - 0.1))
    found = trend(HOURS, sizes, 0.1)
    assert found.slope == pytest.approx(40, rel=0.01)
    assert found.start < found.middle < found.end
    assert not found.flat


def test_a_sawtooth_is_flat() -> None:
    found = trend(HOURS, 500 + 30 * ((HOURS * 240) % 1), 0.1)
    assert found.flat
    assert abs(found.slope) <= 2 * found.error + 5


def test_every_worker_that_is_waited_for_has_a_port_of_its_name(tmp_path) -> None:
    taken = ports(settings_of((), tmp_path), 3)
    names = [one.name for one in _workers((), tmp_path, taken, 3)]
    assert len(names) == 6
    assert set(names) <= set(taken)


def test_too_short_a_run_says_nothing() -> None:
    with pytest.raises(ValueError, match="run longer"):
        trend([0.0, 0.1, 0.2], [1.0, 1.0, 1.0], 0.15)


def test_sizes_are_of_this_process_and_of_files_and_go_on_when_a_process_is_gone(tmp_path) -> None:
    (tmp_path / "file").write_bytes(os.urandom(3 * 1024 * 1024))
    sizes = Sizes()
    sizes.add(0.0, {"we": os.getpid()}, {"disk": tmp_path})
    sizes.add(0.1, {"we": 2**22 + 1, "late": os.getpid()}, {})
    sizes.add(0.2, {"we": os.getpid(), "late": os.getpid()}, {"disk": tmp_path})
    assert all(len(series) == 3 for series in sizes.mb.values())
    assert sizes.mb["we"][0] == sizes.mb["we"][1] > 50
    assert sizes.mb["late"][0] == 0 < sizes.mb["late"][1]
    assert sizes.mb["disk"] == pytest.approx([3.0, 3.0, 3.0], abs=0.1)


def test_figures_and_picture_come_of_a_run(tmp_path) -> None:
    sizes = Sizes(HOURS.tolist(), {"train": [100.0] * 361, "store on disk": (1_000 * HOURS).tolist()})
    waiting = [900] * 60 + [10] * 300 + [7]
    became = {"used": 90, "pending": 0, "late": 1, "delayed": 2, "duplicate": 3, "dead": 4}
    found = figures(Ran(sizes, 100, 5, 99, became, waiting, 2.0, 3, {}), 0.1)
    assert found["unaccounted"] == 1
    assert found["waiting"] == {"median": 10, "largest": 10, "end": 7}
    assert found["sizes"]["train"]["flat"]
    assert not found["sizes"]["store on disk"]["flat"]
    draw(sizes, 0.1, tmp_path / "memory.png")
    assert (tmp_path / "memory.png").read_bytes().startswith(b"\x89PNG")

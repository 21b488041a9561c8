"""A small log of clicks, some of them at the same time, and an experiment on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asmg.experiment.run import Options


@pytest.fixture(scope="session")
def click_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 clicks of 12 users on 40 items with categories, of which later ones appear later."""
    random = np.random.default_rng(7)
    path = tmp_path_factory.mktemp("log") / "clicks.csv"
    rows, ts = ["user_id,item_id,timestamp,categories"], 1_700_000_000
    for row in range(400):
        ts += int(random.integers(0, 3)) * 60
        item = int(random.integers(0, 10 + row * 30 // 400))
        rows.append(f"u{random.integers(0, 12)},i{item},{ts},c{item % 3}|c{item % 4}")
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def asked(click_log: Path, tmp_path: Path) -> Callable[..., Options]:
    def of(out: str = "out", **other: Any) -> Options:
        given = {
            "data": click_log,
            "dataset": "clicks",
            "methods": ["asmg-plus"],
            "protocol": "stream",
            "periods": 8,
            "seeds": 1,
            "jobs": 1,
            "sets": ["trainer.user_rows=grow"],
            "command": "asmg experiment",
        }
        return Options(**{**given, **other}, out=tmp_path / out)

    return of

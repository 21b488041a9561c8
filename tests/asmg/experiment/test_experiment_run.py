"""An experiment from options to report: interrupted, gone on with, in several processes, and refused."""

from __future__ import annotations

import io
import json
import pickle
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from asmg.cli import main
from asmg.experiment import schedule
from asmg.experiment.run import Options, experiment
from metagen.periods import MetaModel
from stream.errors import AsmgError, ConfigurationError
from trainer.periods import BaseModel

Ask = Callable[..., Options]


def run(options: Options) -> dict[str, Any]:
    """The figures, without seconds and memory."""
    text = experiment(options, Console(file=io.StringIO())).read_text()
    assert options.command in text
    made: dict[str, Any] = json.loads((options.out / "report.json").read_text())
    for one in made["methods"].values():
        del one["seconds_per_period"], one["peak_memory_mb"]
    return made


class Stopped(Exception):
    """Somebody pulled the plug."""


def stop_after(monkeypatch: pytest.MonkeyPatch, periods: int) -> None:
    """Every unit is stopped after so many periods."""
    whole = schedule.run_unit

    def partly(plan: Any, method: Any, run: int, done: Callable[[], None]) -> None:
        left = [periods]

        def told() -> None:
            done()
            left[0] -= 1
            if left[0] == 0:
                raise Stopped

        whole(plan, method, run, told)

    monkeypatch.setattr(schedule, "run_unit", partly)


@pytest.mark.parametrize("protocol", ["stream", "paper"])
def test_an_experiment_that_is_killed_again_and_again_ends_with_the_same_report(
    asked: Ask, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    methods = ["bu-3", "spmf", "sml", "sml-mf", "asmg-plus", "asmg-gru-multi", "asmg-plus-activity"]
    expected = run(asked("whole", protocol=protocol, methods=methods))
    options = asked("torn", protocol=protocol, methods=methods)
    with monkeypatch.context() as patched:
        stop_after(patched, 3)
        for turn in range(30):
            try:
                run(options)
                break
            except Stopped:
                newest = max((options.out / "runs").iterdir(), key=lambda one: one.stat().st_mtime_ns)
                with newest.open("a") as file:
                    file.write('{"period": 9, "au' if turn % 2 else "")
    assert turn > 3
    assert run(options) == expected
    assert list(expected) == ["dataset", "protocol", "periods", "methods"]


def test_what_is_finished_is_never_computed_again_and_new_seeds_and_methods_are_added(
    asked: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(asked(seeds=1))
    learnt = []
    learn = BaseModel.learn
    monkeypatch.setattr(
        BaseModel, "learn", lambda self, period: (learnt.append(self.seed), learn(self, period))
    )
    assert run(asked(seeds=1)) == first
    assert learnt == []
    second = run(asked(seeds=2, methods=["asmg-plus", "asmg-gru-multi"]))
    assert set(learnt) == {1}
    assert list(second["methods"]) == ["iu", "asmg-plus", "asmg-gru-multi"]
    monkeypatch.setattr(MetaModel, "train", None)
    assert run(asked(seeds=1)) == first


def test_two_jobs_at_a_time_give_the_same_report(asked: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads stand for processes, which take seconds to start; what they are sent is pickled here."""

    class Pool(ThreadPoolExecutor):
        def __init__(self, jobs: int, _: object) -> None:
            super().__init__(jobs)

        def submit(self, call: Any, *sent: Any) -> Any:
            return super().submit(call, *pickle.loads(pickle.dumps(sent)))

    monkeypatch.setattr(schedule, "ProcessPoolExecutor", Pool)
    assert run(asked("two", seeds=2, jobs=2)) == run(asked("one", seeds=2))


def test_a_sweep_has_its_methods_and_its_figure(asked: Ask) -> None:
    options = asked(sweep="k=1..2")
    assert list(run(options)["methods"]) == ["iu", "asmg-plus k=1", "asmg-plus k=2"]
    assert (options.out / "auc_by_k.png").exists()


def test_a_folder_of_other_settings_is_refused(asked: Ask, tmp_path: Path) -> None:
    run(asked(methods=["iu"], periods=4))
    with pytest.raises(ConfigurationError, match="other settings: periods was 4, now 5"):
        run(asked(methods=["iu"], periods=5))
    with pytest.raises(ConfigurationError, match=r"trainer\.batch was 256, now 64"):
        run(asked(methods=["iu"], periods=4, sets=["trainer.batch=64"]))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").touch()
    with pytest.raises(ConfigurationError, match="holds what is no experiment"):
        run(asked("mine"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"methods": ["sgd"]}, "there is no method 'sgd'"),
        ({"dataset": "kitchen"}, "there is no data set 'kitchen'"),
        ({"dataset": "impressions"}, "has no column 'label'"),
        ({"protocol": "both"}, "--protocol is 'paper' or 'stream', not 'both'"),
        ({"periods": 500}, "400 samples cannot make 500 periods"),
        ({"periods": 150}, "400 samples make 134 periods of equal count, not 150"),
        ({"sweep": "tau=1"}, "--sweep tau=1"),
        ({"data": Path("none.csv")}, "none.csv: there is no such file"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_line(asked: Ask, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(AsmgError) as caught:
        run(asked(**wrong))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_command_says_so_in_one_line_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["asmg", "experiment", "--methods", "sgd", "--out", "out"])
    with pytest.raises(SystemExit, match=r"^asmg: there is no method 'sgd'; there are iu, .*$"):
        main()
    assert list(tmp_path.iterdir()) == []

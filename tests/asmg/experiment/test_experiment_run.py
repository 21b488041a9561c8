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
from asmg.experiment import schedule, tune
from asmg.experiment.ledger import Ledger
from asmg.experiment.run import Options, experiment
from asmg.experiment.units import run_unit
from metagen.periods import MetaModel
from stream.errors import AsmgError, ConfigurationError
from stream.store import ParquetStore
from trainer.periods import BaseModel

Ask = Callable[..., Options]


def run(options: Options) -> dict[str, Any]:
    """The figures, without seconds and memory."""
    text = experiment(options, Console(file=io.StringIO())).read_text()
    assert options.command in text
    made: dict[str, Any] = json.loads((options.out / "report.json").read_text())
    for methods in (made["methods"], made.get("tuned", {}).get("methods", {})):
        for one in methods.values():
            del one["seconds_per_period"], one["peak_memory_mb"]
    return made


@pytest.fixture
def two_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search has the rate that is given by default, and another."""
    monkeypatch.setattr(tune, "RATE", ("trainer.learning_rate", (5e-3, 1e-2)))


class Stopped(Exception):
    """Somebody pulled the plug."""


def stop_after(monkeypatch: pytest.MonkeyPatch, periods: int, each: bool = True) -> None:
    """Every unit is stopped after so many periods, or whichever is at work after so many of all."""
    of_all = [periods]

    def partly(plan: Any, unit: Any, done: Callable[[], None]) -> None:
        left = [periods] if each else of_all

        def told() -> None:
            done()
            left[0] -= 1
            if left[0] == 0:
                raise Stopped

        run_unit(plan, unit, told)

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


def test_two_jobs_at_a_time_give_the_same_report(
    asked: Ask, monkeypatch: pytest.MonkeyPatch, two_rates: None
) -> None:
    """Threads stand for processes, which take seconds to start; what they are sent is pickled here."""

    class Pool(ThreadPoolExecutor):
        def __init__(self, jobs: int, _: object) -> None:
            super().__init__(jobs)

        def submit(self, call: Any, *sent: Any) -> Any:
            return super().submit(call, *pickle.loads(pickle.dumps(sent)))

    monkeypatch.setattr(schedule, "ProcessPoolExecutor", Pool)
    given = {"periods": 12, "seeds": 2, "protocol": "paper", "methods": ["incctr", "ema"], "tune": True}
    assert run(asked("two", jobs=2, **given)) == run(asked("one", **given))


def test_of_a_base_that_no_generator_reads_the_first_snapshot_is_kept_and_those_it_goes_on_from(
    asked: Ask,
) -> None:
    options = asked(methods=["incctr", "bu-3"])
    run(options)
    for name, kept in (("iu", list(range(1, 9))), ("incctr", [1, 8]), ("bu-3", [1, 7, 8])):
        store = ParquetStore(options.out / "parts" / f"{name}-seed0")
        lines = Ledger(options.out / "runs" / f"{name}-seed0.jsonl").lines
        assert [one["period"] for one in lines if all(map(store.has, one["parts"].values()))] == kept


@pytest.mark.parametrize(
    ("protocol", "methods"), [("stream", ["incctr", "average"]), ("paper", ["sml-mf", "asmg-plus-activity"])]
)
def test_a_search_that_is_killed_again_and_again_finds_the_same(
    asked: Ask, monkeypatch: pytest.MonkeyPatch, two_rates: None, protocol: str, methods: list[str]
) -> None:
    given = {"protocol": protocol, "periods": 12, "tune": True, "methods": methods}
    expected = run(asked("whole", **given))
    tuned = expected["tuned"]
    assert list(tuned["methods"]) == list(expected["methods"]) == ["iu", *methods]
    for name, tried in tuned["tried"].items():
        best = min(tried, key=lambda one: one["logloss"])
        assert tuned["settings"][name] == best["settings"]
    options = asked("torn", **given)
    with monkeypatch.context() as patched:
        for turn in range(100):
            stop_after(patched, 17, each=False)
            try:
                run(options)
                break
            except Stopped:
                newest = max((options.out / "runs").iterdir(), key=lambda one: one.stat().st_mtime_ns)
                with newest.open("a") as file:
                    file.write('{"period": 9, "au' if turn % 2 else "")
    assert turn > 3
    assert run(options) == expected


def test_a_search_looks_at_no_test_period_and_what_it_finished_is_never_computed_again(
    asked: Ask, monkeypatch: pytest.MonkeyPatch, two_rates: None
) -> None:
    """Of two rates, one given, a method whose best is the given one has no further run of the other's."""
    given = {"periods": 12, "methods": ["ema"]}
    plain = run(asked(**given))
    tuned = run(asked(**given, tune=True))
    assert {name: tuned[name] for name in plain} == plain
    assert tuned["tuned"]["validated"] == [5]
    runs = asked().out / "runs"
    lengths = {path.name: len(path.read_text().splitlines()) for path in runs.iterdir()}
    best = {name: one["trainer.learning_rate"] for name, one in tuned["tuned"]["settings"].items()}
    faster = "-trainer.learning_rate=0.01"
    assert lengths[f"iu{faster}-seed0.jsonl"] == (12 if 0.01 in best.values() else 5)
    decays = [name for name in lengths if "decay" in name]
    assert len(decays) == 2
    assert all(f"ema{faster}" in name for name in decays) == (best["ema"] == 0.01)
    assert sum(lengths[name] == 12 for name in decays) == (
        tuned["tuned"]["settings"]["ema"]["metagen.decay"] != 0.5
    )
    monkeypatch.setattr(BaseModel, "learn", None)
    monkeypatch.setattr(MetaModel, "train", None)
    assert run(asked(**given, tune=True)) == tuned
    assert run(asked(**given)) == plain


def test_a_tuned_method_is_the_method_that_is_given_those_settings(asked: Ask, two_rates: None) -> None:
    options = asked(periods=10, methods=["iu"], seeds=2, tune=True, sets=["trainer.learning_rate=1e-4"])
    made = run(options)
    rate = made["tuned"]["settings"]["iu"]["trainer.learning_rate"]
    assert rate != 1e-4
    again = run(asked("again", periods=10, methods=["iu"], seeds=2, sets=[f"trainer.learning_rate={rate}"]))
    assert made["tuned"]["methods"] == again["methods"] != made["methods"]


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
    popular = ["trainer.user_rows=grow", "trainer.negative_draw=popular"]
    with pytest.raises(ConfigurationError, match=r"trainer\.negative_draw was uniform, now popular"):
        run(asked(methods=["iu"], periods=4, sets=popular))
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
        ({"sweep": "k=1..2", "tune": True}, "one of them at a time"),
        ({"tune": True}, "none is left to validate on"),
        ({"preset": "mine"}, "--preset is 'default' or 'paper', not 'mine'"),
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


@pytest.mark.parametrize("protocol", ["stream", "paper"])
def test_popular_negatives_change_what_is_learnt_under_both_protocols(asked: Ask, protocol: str) -> None:
    given = {"protocol": protocol, "methods": ["iu"]}
    popular = ["trainer.user_rows=grow", "trainer.negative_draw=popular"]
    uniform, other = run(asked("uniform", **given)), run(asked("popular", **given, sets=popular))
    assert uniform["methods"]["iu"]["auc"] != other["methods"]["iu"]["auc"]


@pytest.mark.parametrize(
    ("protocol", "sets", "model"),
    [
        ("paper", [], (8, False)),
        ("paper", ["trainer.embedding=4"], (4, False)),
        ("paper", ["trainer.products=true"], (8, True)),
        ("stream", [], (16, True)),
    ],
)
def test_under_the_paper_s_protocol_the_base_model_is_the_paper_s_unless_it_is_set(
    asked: Ask, protocol: str, sets: list[str], model: tuple[int, bool]
) -> None:
    run(asked(protocol=protocol, methods=["iu"], periods=4, sets=["trainer.user_rows=grow", *sets]))
    trainer = json.loads((asked().out / "settings.json").read_text())["trainer"]
    assert (trainer["embedding"], trainer["products"]) == model


def test_a_preset_is_other_settings_and_what_is_set_counts_before_it(asked: Ask) -> None:
    given = {"methods": ["iu"], "periods": 4, "preset": "paper"}
    run(asked(**given))
    trainer = json.loads((asked().out / "settings.json").read_text())["trainer"]
    assert (trainer["learning_rate"], trainer["batch"]) == (1e-3, 256)
    with pytest.raises(ConfigurationError, match=r"trainer\.learning_rate was 0\.001, now 0\.002"):
        run(asked(**given, sets=["trainer.user_rows=grow", "trainer.learning_rate=2e-3"]))

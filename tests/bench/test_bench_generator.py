"""What `python -m bench.generator` works on, counts and reports."""

import json
import math

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.generator import limits
from bench.generator.__main__ import main
from bench.generator.clock import NOTHING, Clock
from bench.generator.counts import count, multi_multiply_adds, plus_multiply_adds
from bench.generator.dense import FORMS, dense_loss, slices_of
from bench.generator.memory import MIB, beyond
from bench.generator.methods import METHODS, MULTI, PLUS, K
from bench.generator.training import begun, counted
from bench.generator.work import Shape, Work, make_period, make_work, sized_catalogue
from metagen.joint import joint_batches
from metagen.touched import Touched
from trainer.batches import Examples, shuffled
from trainer.model import Theta, initial_mlp
from trainer.settings import TrainerSettings

CPU = torch.device("cpu")
SMALL = Shape(ids=20, positives=16, history=2.0)
methods = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)


@pytest.fixture(autouse=True)
def _limits_found_quickly(monkeypatch):
    fastest = Clock.fastest
    monkeypatch.setattr(limits, "COPIED", 2**20)
    monkeypatch.setattr(limits, "SHORT", 1)
    monkeypatch.setattr(Clock, "fastest", lambda clock, work, *_: fastest(clock, work, 0.0))


def small_work(method, rows=40, models=K):
    return make_work(rows, models + method.before, models, SMALL, active=method.before > 0, device=CPU)


def moved(state):
    """The state with every weight away from where it begins, so that all of them matter."""
    random = torch.Generator().manual_seed(1)
    for one in state.omega.values():
        one += torch.empty_like(one).normal_(std=0.3, generator=random)
    return state


def first_loss(method, generator, work, state, monkeypatch):
    """The loss that metagen's own training has of its first joint batch."""
    seen = []

    def train(omega, moments, touched, loss, settings, batch, seed, rates):
        leaves = {name: one.clone().requires_grad_() for name, one in omega.items()}
        value = loss(leaves, next(joint_batches(touched, batch, seed, 0)))
        seen.append((value, dict(zip(leaves, torch.autograd.grad(value, leaves.values()), strict=True))))
        return omega, moments

    with monkeypatch.context() as patch:
        patch.setattr(method.module, "train", train)
        patch.setattr(method.module, "carry", lambda *given: given[-1])
        generator.train(work.models, work.data, work.catalogue, state)
    return seen[0]


def in_place_flop(_, a, b, **rest):
    """What `addmm_`, of which torch's counter does not know, computes."""
    return 2 * a[0] * a[1] * b[1]


def two_sets():
    """Two periods in one joint batch: the newest touches users 1, 4 and items 2, 3, the other users 0, 1."""

    def examples(period, user, item, lengths, history):
        offsets = np.cumsum([0, *lengths])
        label = np.array([1, 0], np.float32)
        return Examples(
            period, 2, np.array(user), np.array(item), offsets, np.array(history, np.int64), label
        )

    sets = [examples(1, [0, 1], [2, 3], [0, 0], []), examples(2, [1, 4], [3, 3], [0, 1], [2])]
    return list(joint_batches(Touched.of(sets, sized_catalogue(10)), 2, 0, 0))


def narrow(width=2):
    """Θ of vectors of width 2: layers of 6, 3, 1 and 1 units, 27 scalars."""
    settings = TrainerSettings(strategy="iu", embedding=width, products=False)
    tables = {name: torch.zeros(10, width) for name in ("user", "item")}
    return Theta(tables, initial_mlp(settings, 0, False))


def test_a_step_counts_its_own_rows_and_those_of_the_steps_after_it() -> None:
    found = count(two_sets(), 2)
    assert (found.steps, found.examples, found.entries) == (1, 4, 1)
    assert found.first == (2 + 1) + 2  # users 1, 4 and 0; items 2 and 3
    assert found.rows == found.first + 2 + 2


def test_multiply_adds_of_a_case_by_hand() -> None:
    found = count(two_sets(), 2)
    base = 3 * (6 * 3 + 3 * 1 + 1 * 1) * 4 + 2 * 2 * 1  # four examples, one entry of a history
    # d = 1: U 3, W 3, to θ* 1; their gradient the same, and h 1, r∘h 1, z and r 2, which the first spares.
    cells = 2 * 9 + 27 * 2
    assert multi_multiply_adds(found, narrow(), 1) == (7 + 11) * cells - 2 * (2 * 5 + 27) + base
    # Seven inputs and the 1 for biases, three outputs: U and b 24, W 3, to θ* 3.
    assert plus_multiply_adds(found, narrow(), 1) == (30 + 36) * 9 - 2 * 5 + base


@methods
def test_multiply_adds_are_those_that_torch_sees(method, monkeypatch) -> None:
    work, generator = small_work(method), method.generator(batch=32)  # one joint batch
    state, theta, d = begun(generator, work), work.models[-1].theta, generator.settings.hidden_size
    found = counted(generator, work)
    assert found.steps == 1
    with FlopCounterMode(display=False, custom_mapping={torch.ops.aten.addmm_: in_place_flop}) as counter:
        first_loss(method, generator, work, state, monkeypatch)
    seen = counter.get_total_flops() // 2
    mine = method.multiply_adds(found, theta, d) - 2 * 8 * found.entries  # pooling is no product of matrices
    if method is PLUS:
        assert seen == mine
    else:  # U θ and the gradient by h, of numbers one by one, need not be products of matrices either
        cells = 8 * found.rows + sum(one.numel() for one in theta.mlp.values()) * K
        assert mine - 4 * d * cells <= seen <= mine


@methods
def test_the_dense_computation_has_the_loss_and_gradient_of_the_touched_rows(method, monkeypatch) -> None:
    work, generator = small_work(method), method.generator(batch=8)
    state = moved(begun(generator, work))
    value, gradients = first_loss(method, generator, work, state, monkeypatch)
    runs = next(slices_of([shuffled(one, generator.seed) for one in work.data], generator.batch))
    for form in FORMS:
        leaves = {name: one.clone().requires_grad_() for name, one in state.omega.items()}
        dense = dense_loss(generator, work, state, form)(leaves, runs)
        assert dense.item() == pytest.approx(value.item(), rel=1e-5)
        dense.backward()
        for name, one in leaves.items():
            torch.testing.assert_close(one.grad, gradients[name], rtol=1e-3, atol=1e-6)


def test_batches_are_the_same_whatever_the_size_of_the_tables() -> None:
    few, many = (
        Touched.of([make_period(rows, period, SMALL, 0) for period in (1, 2)], sized_catalogue(rows))
        for rows in (20, 20_000)
    )
    for name, rows in few.rows.items():
        assert torch.equal(rows * 1_000, many.rows[name])
    for one, other in zip(few.sets, many.sets, strict=True):
        assert one.user.tolist() == other.user.tolist()
        assert one.item.tolist() == other.item.tolist()
        assert one.history.tolist() == other.history.tolist()


def test_a_period_has_a_negative_for_each_positive_with_the_same_user_and_history() -> None:
    period = make_period(10_000, 1, Shape(positives=4_000), 0)
    n = len(period) // 2
    assert period.label.tolist() == [1] * n + [0] * n
    assert np.array_equal(period.user[:n], period.user[n:])
    lengths = np.diff(period.history_offsets)
    assert np.array_equal(lengths[:n], lengths[n:])
    assert lengths.max() <= 30
    assert lengths.mean() == pytest.approx(3.3, rel=0.1)
    occurrences = np.sort(np.bincount(period.item[:n]))[::-1]
    assert occurrences[0] > 20 * occurrences[99]  # popular by a power law


def test_no_table_is_smaller_than_the_ids_that_occur() -> None:
    with pytest.raises(ValueError, match="20 ids need as many rows"):
        small_work(MULTI, rows=19)


def test_a_clock_tells_what_a_modules_functions_took_and_leaves_them_as_they_were() -> None:
    before = MULTI.module.carry
    work, generator = small_work(MULTI), MULTI.generator(batch=32)
    with Clock(CPU).within(MULTI.module, ("train", "carry")) as spent:
        _, whole = Clock(CPU).of(
            lambda: generator.train(work.models, work.data, work.catalogue, begun(generator, work))
        )
    assert MULTI.module.carry is before
    assert min(one.seconds for one in spent.values()) > 0
    assert (spent["train"] + spent["carry"] + NOTHING).seconds < whole.seconds


def test_memory_beyond_is_neither_what_was_there_nor_what_comes_out() -> None:
    kept = torch.ones(16 * MIB // 4)

    def work() -> torch.Tensor:
        passing = torch.ones(64 * MIB // 4)
        return passing[: len(kept)] + kept

    result, found = beyond(work, lambda one: one.nbytes, CPU)
    assert len(result) == len(kept)
    assert 48 <= found <= 80

    # What was freed beneath something that lasts stays with the process, and would be taken again unseen.
    del result
    once = torch.ones(30 * MIB // 4)
    del once  # from here on glibc takes blocks of this size from its own
    blocks = [torch.ones(8 * MIB // 4) for _ in range(20)]
    above = torch.ones(25 * MIB // 4)
    del blocks
    _, found = beyond(work, lambda one: one.nbytes, CPU)
    assert len(above)
    assert 48 <= found <= 80


def run(capsys, *more):
    main(["--ids", "20", "--positives", "16", "--batch", "8", "--repeats", "1", *more, "--json"])
    return json.loads(capsys.readouterr().out)


def test_json_has_what_is_promised(capsys) -> None:
    found = run(capsys, "--rows", "40", "80")
    assert found["machine"]["device"] == "cpu"
    assert found["machine"]["threads"] == 1
    assert set(found["limits"]) == {
        "multiply_adds_per_second", "sigmoids_per_second", "copied_bytes_per_second",
    }  # fmt: skip
    which = [(one["method"], one["rows"]) for one in found["training"]]
    assert which == [(name, rows) for name in ("asmg-gru-multi", "asmg-plus") for rows in (40, 80)]
    assert which == [(one["method"], one["rows"]) for one in found["sweep"]]
    for one in found["training"]:
        assert (one["batch"], one["steps"], one["dense_steps_timed"]) == (8, 4, 3)
        assert one["dense_own_ratio"] == pytest.approx(one["dense_own_step_ms"] * 4 / one["seconds"] / 1000)
        assert 0 < one["share_of_matmul"] < one["share_of_own_shapes"] < 1
        assert 0 < one["share_of_sigmoid"] < 1
        assert one["multiply_adds"] > one["sigmoids"] > 0
        assert one["seconds"] * 1000 >= one["step_ms"] * one["steps"]
    for one in found["sweep"]:
        assert one["tables_mib"] * MIB == one["rows"] * 2 * 8 * 4 * (3 + (one["method"] == "asmg-plus"))
        for what in ("generate", "carry"):
            assert one[f"{what}_seconds"] > 0
            assert 0 <= one[f"{what}_beyond_mib"] < 256
            assert one[f"{what}_share_of_copy"] > 0
    for one in found["independence"]:
        assert (one["from"], one["to"]) == (40, 80)
        assert math.isfinite(one["ratio"])


def test_a_full_sequence_goes_through_more_rows_and_a_dense_one_through_as_many_more_as_models(
    capsys,
) -> None:
    found = run(capsys, "--rows", "40", "--full", "6")["full"]
    assert (found["models"], found["k"]) == (6, 3)
    assert found["rows_ratio"] == found["full_rows"] / found["multi_rows"] > 2
    assert found["ratio"] == found["full_seconds"] / found["multi_seconds"] > 0


def test_a_late_period_of_a_click_log_is_timed_stage_by_stage(capsys, tmp_path) -> None:
    random = np.random.default_rng(0)
    clicks = [f"{random.integers(30)},{random.integers(40)},{1_700_000_000 + 60 * one}" for one in range(620)]
    (tmp_path / "clicks.csv").write_text("\n".join(["user_id,item_id,timestamp", *clicks]))
    main(["--data", str(tmp_path / "clicks.csv"), "--batch", "8", "--repeats", "1", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (found["period"], found["samples"], found["batch"]) == (30, 20, 8)
    assert {name: one["goal"] for name, one in found["stages"].items()} == {
        "base update": 0.8,
        "reading and scoring": 0.3,
        "training asmg-gru-multi": 2.5,
        "training asmg-plus": 1.2,
    }
    assert all(one["seconds"] > 0 and one["elapsed"] > 0 for one in found["stages"].values())


def test_tables_are_printed_without_json(capsys) -> None:
    main(["--ids", "20", "--positives", "16", "--batch", "8", "--repeats", "1", "--rows", "20"])
    out = capsys.readouterr().out
    for title in ("Training a period", "Against all rows", "Share of the limits", "Full sweep", "Its memory"):
        assert title in out


def test_what_cannot_be_measured_is_said(tmp_path) -> None:
    with pytest.raises(SystemExit, match="20 ids need as many rows"):
        main(["--ids", "20", "--positives", "16", "--rows", "10"])
    with pytest.raises(SystemExit, match=r"nothing\.csv"):
        main(["--data", str(tmp_path / "nothing.csv")])


def test_work_names_its_rows() -> None:
    work = small_work(PLUS)
    assert isinstance(work, Work)
    assert [one.period for one in work.models] == [1, 2, 3, 4]
    assert [one.period for one in work.data] == [3, 4, 5]
    assert work.catalogue.table_rows() == {"user": 40, "item": 40}
    assert {len(one) for model in work.models for one in model.activity.values()} == {40}

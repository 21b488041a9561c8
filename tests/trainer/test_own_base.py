"""A base model of one's own: what it is given, what it must be, and that all of training takes it."""

import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stream.errors import ConfigurationError
from stream.store import name_of
from trainer.activity import INACTIVE
from trainer.adam import zero_moments
from trainer.base import Inputs
from trainer.batches import Bags, batches, make_batch, make_examples, shuffled
from trainer.catalogue import Catalogue
from trainer.model import forward, grown, initial_theta, loss_of
from trainer.own import own_base
from trainer.parts import TABLES
from trainer.periods import BaseModel, PastPeriod, uses_categories
from trainer.score import logits_of
from trainer.settings import TrainerSettings
from trainer.snapshot import model_parts, read_theta
from trainer.source import imported, sha256_of
from trainer.update import gradients_of, update

DCN, DIN = "examples.dcn:DCN", "own_models:Din"
CPU = torch.device("cpu")


def settings_of(base, **more):
    return TrainerSettings(base=base, embedding=4, batch=16, init_rows=16, **more)


def bags(*lists):
    lengths = torch.tensor([len(one) for one in lists])
    index = torch.tensor([place for one in lists for place in one], dtype=torch.int64)
    weight = torch.repeat_interleave(1.0 / (lengths + 1e-8), lengths).float()
    return Bags(index, torch.cumsum(lengths, 0) - lengths, weight)


def test_inputs_show_a_history_pooled_at_its_newest_and_item_by_item():
    items = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    inputs = Inputs(torch.zeros(3, 2), items, items, bags([2, 0], [], [1]))
    assert inputs.pooled.tolist() == [[3.0, 4.0], [0.0, 0.0], [3.0, 4.0]]
    assert inputs.newest.tolist() == [[5.0, 6.0], [0.0, 0.0], [3.0, 4.0]]
    assert inputs.history[:, 0].tolist() == [[5.0, 6.0], [0.0, 0.0], [3.0, 4.0]]
    assert inputs.history[:, 1].tolist() == [[1.0, 2.0], [0.0, 0.0], [0.0, 0.0]]
    assert inputs.there.tolist() == [[True, True], [False, False], [True, False]]


@pytest.mark.parametrize("history", [[2, 0], []])
def test_one_history_of_all_examples_is_as_good_as_as_many_alike(history):
    items, users = torch.randn(3, 2), torch.randn(1, 2).expand(3, 2)
    one = Inputs(users, items, items, bags(history))
    many = Inputs(users, items, items, bags(history, history, history))
    for name in ("pooled", "newest", "history", "there"):
        assert torch.equal(getattr(one, name), getattr(many, name))


@pytest.mark.parametrize("categories", [0, 4])
@pytest.mark.parametrize("base", [DCN, DIN])
def test_gradients_by_touched_rows_are_those_by_whole_tables_and_by_finite_differences(
    random_period, base, categories
):
    settings, samples = settings_of(base, strategy="iu"), random_period(1, rows=8, categories=categories)
    catalogue = Catalogue(settings, bool(categories))
    catalogue.extend(samples)
    theta = initial_theta(catalogue.columns(), settings, 0)
    batch = make_batch(make_examples(samples, catalogue, 1, 0, 1), catalogue)

    def loss(*given):
        named = dict(zip(theta.named(), given, strict=True))
        mlp = {name: named[name] for name in theta.mlp}
        return loss_of(
            forward({name: named[name] for name in theta.tables}, mlp, batch, theta.own), batch.label
        )

    whole = {name: one.double().requires_grad_() for name, one in theta.named().items()}
    rows = [whole[name][batch.rows[name]] for name in theta.tables]
    loss(*rows, *(whole[name] for name in theta.mlp)).backward()
    _, of_rows, of_mlp = gradients_of(theta, batch)
    for name, gradient in (of_rows | of_mlp).items():
        expected = whole[name].grad[batch.rows[name]] if name in of_rows else whole[name].grad
        torch.testing.assert_close(gradient.double(), expected, atol=1e-6, rtol=1e-4)
        assert expected.abs().max() > 1e-6

    draw = torch.Generator().manual_seed(0)
    leaves = [
        (one.double() + 0.1 * torch.randn(one.shape, generator=draw)).requires_grad_()
        for one in (*theta.touched(batch).values(), *theta.mlp.values())
    ]
    assert torch.autograd.gradcheck(loss, leaves, fast_mode=True)


@pytest.mark.parametrize("base", [DCN, DIN])
def test_every_example_is_scored_as_it_is_alone(random_period, base):
    settings, samples = settings_of(base), random_period(1, categories=3)
    catalogue = Catalogue(settings, True)
    catalogue.extend(samples)
    theta = initial_theta(catalogue.columns(), settings, 0)
    examples = make_examples(samples, catalogue, 1, 0, 1)
    alone = [
        forward(theta.touched(one), theta.mlp, one, theta.own) for one in batches(examples, catalogue, 1)
    ]
    np.testing.assert_allclose(torch.cat(alone), logits_of(theta, examples, catalogue), atol=1e-6)


@pytest.mark.parametrize("moments", ["carried", "lazy", "fresh"])
@pytest.mark.parametrize("base", [DCN, DIN, "own_models:Session"])
def test_an_update_lowers_the_loss_and_leaves_untouched_rows_to_the_moments(random_period, base, moments):
    settings = settings_of(base, moments=moments, strategy="iu", learning_rate=1e-2)
    samples = random_period(1, rows=80, users=500, items=500)
    catalogue = Catalogue(settings, False)
    catalogue.extend(samples)
    theta = initial_theta(catalogue.columns(), settings, 0)
    examples = make_examples(samples, catalogue, 1, 0, 1)
    after, _ = update(theta, zero_moments(theta.named()), examples, catalogue, settings, 0)
    batch = make_batch(shuffled(examples, 0), catalogue)
    losses = [
        loss_of(forward(one.touched(batch), one.mlp, batch, one.own), batch.label) for one in (theta, after)
    ]
    assert losses[1] < losses[0]
    assert after.own is theta.own


def test_what_a_model_does_not_read_stays(random_period):
    settings, samples = settings_of("own_models:Session", strategy="iu"), random_period(1, categories=3)
    assert not uses_categories(settings, samples)
    model = BaseModel.begin(settings, 0, CPU, samples)
    before = model.snapshot.theta
    model.learn(model.read(1, samples))
    assert torch.equal(model.snapshot.theta.mlp["unread"], before.mlp["unread"])
    initial = initial_theta(model.catalogue.columns(), settings, 0)
    assert torch.equal(model.snapshot.theta.tables["user"], initial.tables["user"])
    assert not torch.equal(model.snapshot.theta.tables["item"], initial.tables["item"])


@pytest.mark.parametrize("forget_after", [None, 1])
@pytest.mark.parametrize("strategy", ["iu-activity", "bu-3", "incctr", "spmf"])
def test_a_model_that_was_interrupted_goes_on_to_the_same_bytes(random_period, strategy, forget_after):
    settings = settings_of(DCN, strategy=strategy, forget_after=forget_after)
    periods = [random_period(seed, categories=4, items=20 + 5 * seed) for seed in range(4)]
    calm, past = BaseModel.begin(settings, 7, CPU, periods[0]), []
    for number, samples in enumerate(periods, start=1):
        again = BaseModel.restore(settings, 7, CPU, past[-1].theta) if past else calm
        if past and again.strategy.reach > 1:
            again.recall(past[1 - again.strategy.reach :])
        again.learn(again.read(number, samples))
        if past:
            calm.learn(calm.read(number, samples))
        past.append(PastPeriod(number, samples, again.parts()))
        assert names(past[-1].theta) == names(calm.parts())
        assert calm.snapshot.theta.own is not None


def names(parts):
    return {role: name_of(part) for role, part in parts.items()}


def test_the_initial_tensors_are_a_function_of_the_seed_and_leave_torchs_random_numbers_alone():
    own = own_base(settings_of(DCN), True)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, two, other = own.dense(1), own.dense(1), own.dense(2)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(one[name], two[name]) for name in own.shapes)
    assert not all(torch.equal(one[name], other[name]) for name in own.shapes)


def test_threads_that_call_a_base_with_other_tensors_do_not_meet():
    own = own_base(settings_of(DCN), False)
    items = torch.randn(64, 4)
    inputs = Inputs(items, items, items, bags(*[[1, 2]] * 64))
    dense = [own.dense(seed) for seed in (1, 2)]
    expected, differed = [own.logits(one, inputs) for one in dense], []

    def call(which):
        for _ in range(200):
            if not torch.equal(own.logits(dense[which], inputs), expected[which]):
                differed.append(which)

    threads = [threading.Thread(target=call, args=(which,)) for which in (0, 1)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert differed == []


def test_a_thread_that_scores_first_may_train_afterwards():
    own, found = own_base(settings_of("own_models:Session"), False), []
    inputs = Inputs(torch.zeros(1, 1), torch.ones(1, 4), torch.ones(1, 4), bags([]))

    def work():
        dense = {name: one.requires_grad_() for name, one in own.dense(0).items()}
        with torch.inference_mode():
            own.logits(dense, inputs)
        own.logits(dense, inputs).sum().backward()
        found.append(dense["logit.bias"].grad.item())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [2.0]


def test_a_table_grows_by_rows_of_its_own_width_at_their_initial_vectors(random_period):
    settings = settings_of(DIN)
    catalogue = Catalogue(settings, True)
    catalogue.extend(random_period(1, categories=3))
    theta = initial_theta(catalogue.columns(), settings, 0)
    assert {name: one.shape[1] for name, one in theta.tables.items()} == {"user": 3, "item": 4, "category": 2}
    catalogue.extend(random_period(2, users=99, items=99, categories=9))
    later = grown(theta, catalogue.columns(), settings, 0)
    fresh = initial_theta(catalogue.columns(), settings, 0)
    for name, table in later.tables.items():
        assert len(table) > len(theta.tables[name])
        assert torch.equal(table, fresh.tables[name])
    assert later.own is theta.own is not None


def test_parts_are_read_back_as_the_base_they_are_of_and_as_no_other(random_period):
    settings, samples = settings_of(DCN), random_period(1, categories=3)
    catalogue = Catalogue(settings, True)
    catalogue.extend(samples)
    theta = initial_theta(catalogue.columns(), settings, 0)
    parts = model_parts(theta, catalogue)
    again = read_theta(parts, settings)
    assert again.own is theta.own
    assert all(torch.equal(one, again.named()[name]) for name, one in theta.named().items())
    assert list(again.mlp) == list(theta.mlp)
    with pytest.raises(
        ConfigurationError, match=r"trainer.base own_models:Din is not what.*table category is 4, and 2"
    ):
        read_theta(parts, settings_of(DIN))
    with pytest.raises(ConfigurationError, match="table user is 4, and 5 wide here"):
        read_theta(parts, settings.model_copy(update={"embedding": 5}))
    with pytest.raises(ConfigurationError, match=r"tensor logit.weight is \(1, 25\), and \(1, 8\) here"):
        read_theta(
            {name: parts[name] for name in parts if name != "category"}, settings_of("own_models:Fine")
        )


BROKEN = {
    "own_models:Nowhere": "own_models has no Nowhere",
    "no_such_module:Dcn": "there is no module no_such_module in ",
    "no_such_package.module:Dcn": "No module named 'no_such_package'; it is looked for in ",
    "own_models:NoModule": "makes no torch.nn.Module",
    "own_models:wider": "is no class: 7",
    "own_models:NoTables": "its `tables` are {'item': 4}; widths of user and item are expected",
    "own_models:TooWide": "its table user is 4096 wide, not 1 to 1024",
    "own_models:NoParameters": "has no parameters",
    "own_models:Doubles": "its parameter logit.weight is torch.float64",
    "own_models:Reserved": "its parameter activity_kernel1 has a name that begins with activity_",
    "own_models:ByChance": "its parameter logit.bias begins otherwise each time",
    "own_models:Drops": "gives other logits at each call",
    "own_models:Across": "an example's logit depends on those beside it",
    "own_models:Columns": r"answers 5 examples with \(5, 1\); \(5,\) finite logits are expected",
    "own_models:Fails": r"fails: RuntimeError: .* \(own_models.py, line \d+\)",
}


@pytest.mark.parametrize("base", BROKEN)
def test_a_base_that_breaks_the_contract_is_refused_in_one_line(base):
    with pytest.raises(ConfigurationError, match=f"^trainer.base {base}.*({BROKEN[base]})") as refused:
        own_base(settings_of(base), with_categories=True)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("strategy", ["sml", "sml-mf"])
def test_strategies_that_know_the_built_in_tensors_refuse_another_base(strategy):
    with pytest.raises(ConfigurationError, match=f"trainer.strategy {strategy} knows the built-in .* {DCN}"):
        own_base(settings_of(DCN, strategy=strategy), with_categories=False)


def test_without_a_base_there_is_none_and_a_setting_that_names_no_class_is_refused():
    assert own_base(TrainerSettings(), True) is None
    for text in ("examples.dcn", "examples/dcn.py:DCN", "dcn:", "os:system()"):
        with pytest.raises(ValueError, match="base"):
            TrainerSettings(base=text)


def test_a_module_of_the_working_folder_comes_first_and_the_path_stays_as_it_was(tmp_path, monkeypatch):
    (tmp_path / "shop_model.py").write_text("Here = 'here'\n")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    assert imported("shop_model:Here") == "here"
    assert sys.path == before
    (tmp_path / "shop_model.py").write_text("Here = 'changed'\n")
    assert len(sha256_of("shop_model:Here")) == 64  # of what was imported
    sys.modules.pop("shop_model")


def test_activity_is_read_beside_a_base_of_ones_own(random_period):
    settings = settings_of(DCN, strategy="iu-activity")
    samples = random_period(1)
    model = BaseModel.begin(settings, 0, CPU, samples)
    model.learn(model.read(1, samples))
    read = model.read(2, random_period(2))
    theta = model.snapshot.theta
    assert theta.mlp["activity_kernel1"].shape == (2 * len(INACTIVE), 16)
    blind = np.zeros_like(read.examples.activity)
    with_, without = (
        logits_of(theta, one, model.catalogue)
        for one in (read.examples, replace(read.examples, activity=blind))
    )
    assert not np.array_equal(with_, without)


def test_the_example_of_the_documentation_keeps_the_contract(tmp_path, monkeypatch):
    page = Path(__file__).parents[2] / "docs" / "base-model.md"
    code = page.read_text().split("```python\n")[1].split("```")[0]
    (tmp_path / "my_model.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    try:
        for categories in (True, False):
            own = own_base(settings_of("my_model:TwoTowers"), categories)
            assert own.tables == dict.fromkeys(TABLES if categories else TABLES[:2], 4)
    finally:
        sys.modules.pop("my_model", None)

"""A user's side worked out once gives what `trainer.model.forward` gives example by example."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from torch import Tensor

from metagen.calibrator import UNITS
from serving.taste import Floats, Items, Taste
from trainer.base import pool
from trainer.batches import Bags, Batch
from trainer.model import forward, initial_mlp
from trainer.parts import CALIBRATOR, POOLING_EPSILON, PRODUCTS
from trainer.settings import TrainerSettings

quick = examples(max_examples=150, deadline=None)


@dataclass(frozen=True)
class Form:
    """Which parts a model has."""

    products: bool = False
    categories: bool = False
    slot: bool = False  # users and items have a bias
    activity: bool = False
    calibrator: bool = False
    factorised: bool = False


FORMS = [Form(*choice) for choice in product([False, True], repeat=5)] + [Form(factorised=True)]


class Case:
    """A model of a form, with random numbers everywhere, and one user's candidates and history."""

    def __init__(self, form: Form, seed: int, width: int = 4, items: int = 9, history: int = 3) -> None:
        self.form, self.width = form, width
        draw = torch.Generator().manual_seed(seed)

        def random(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=draw)

        settings = TrainerSettings(
            embedding=width,
            products=form.products,
            strategy="sml-mf" if form.factorised else "iu-activity" if form.activity else "iu",
        )
        shapes = {name: one.shape for name, one in initial_mlp(settings, 1, form.categories).items()}
        self.mlp = {name: random(*shape) for name, shape in shapes.items()}
        if form.calibrator:
            sizes = {"kernel1": (7, UNITS), "bias1": (UNITS,), "kernel2": (UNITS, 1), "bias2": (1,)}
            self.mlp |= {f"{CALIBRATOR}{name}": random(*shape) for name, shape in sizes.items()}
        wide = width + (form.slot or form.factorised)
        self.user, self.table = random(wide), random(items, wide)
        self.category = random(5, width) if form.categories else None
        lengths = [int(torch.randint(0, 4, (), generator=draw)) for _ in range(items)]
        self.of_items = bags(lengths, torch.randint(0, 5, (sum(lengths),), generator=draw))
        self.reads = form.activity or form.calibrator
        self.item_activity, self.user_activity = random(items, 3), random(3)
        self.candidates = torch.randperm(items, generator=draw)
        self.history = torch.randint(0, items, (history,), generator=draw)

    def batch(self) -> Batch:
        """An example per candidate, all of the same user and history."""
        n, h = len(self.candidates), len(self.history)
        users = self.user_activity.expand(n, 3)
        return Batch(
            rows={},
            user=torch.zeros(n, dtype=torch.int64),
            item=self.candidates,
            item_row=torch.arange(len(self.table)),
            category=None if self.category is None else self.of_items,
            history=bags([h] * n, self.history.repeat(n)),
            label=torch.zeros(n),
            activity=torch.cat([self.item_activity[self.candidates], users], 1) if self.reads else None,
        )

    def expected(self) -> Tensor:
        tables = {"user": self.user[None], "item": self.table}
        if self.category is not None:
            tables["category"] = self.category
        return forward(tables, self.mlp, self.batch())

    def items(self, which: Tensor) -> Items:
        vectors = self.table[:, : self.width]
        if self.category is not None:
            vectors = torch.cat([vectors, pool(self.category, self.of_items)], 1)
        return Items(
            vectors[which].numpy(),
            self.table[which, self.width].numpy() if self.table.shape[1] > self.width else None,
            self.item_activity[which].numpy() if self.reads else None,
        )

    def taste(self) -> Taste:
        activity = self.user_activity.numpy() if self.reads else None
        mlp = {name: one.numpy() for name, one in self.mlp.items()}
        return Taste(mlp, self.user.numpy(), self.items(self.history), activity, self.width)


def bags(lengths: list[int], index: Tensor) -> Bags:
    each = torch.tensor(lengths, dtype=torch.int64)
    offsets = torch.cumsum(each, 0) - each
    return Bags(index, offsets, torch.repeat_interleave(1.0 / (each + POOLING_EPSILON), each).float())


def assert_alike(found: Floats, expected: Tensor) -> None:
    # A logit near zero is what remains of terms of some tens, and as far off as those are in float32.
    scale = float(expected.abs().max()) if len(expected) else 1.0
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5, atol=1e-5 * max(scale, 10.0))


@pytest.mark.parametrize("history", [0, 1, 7])
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_every_form_of_a_model_gives_what_the_trainer_gives(form: Form, history: int) -> None:
    case = Case(form, seed=7 + history, history=history)
    assert (PRODUCTS in case.mlp) == (form.products and not form.factorised)
    assert_alike(case.taste().logits(case.items(case.candidates)), case.expected())


@given(
    st.sampled_from(FORMS), st.integers(0, 10**6), st.integers(2, 9), st.integers(1, 12), st.integers(0, 6)
)
@quick
def test_whatever_the_width_the_items_and_the_history(
    form: Form, seed: int, width: int, items: int, history: int
) -> None:
    case = Case(form, seed, width, items, history)
    assert_alike(case.taste().logits(case.items(case.candidates)), case.expected())


def test_a_model_so_narrow_that_its_last_layer_has_no_unit_gives_what_the_trainer_gives() -> None:
    case = Case(Form(), seed=1, width=1)
    assert case.mlp["kernel3"].shape == (0, 1)
    assert_alike(case.taste().logits(case.items(case.candidates)), case.expected())


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_no_candidates_have_no_logits(form: Form) -> None:
    case = Case(form, seed=1)
    assert case.taste().logits(case.items(torch.zeros(0, dtype=torch.int64))).shape == (0,)


def test_candidates_do_not_change_what_a_taste_says_of_others() -> None:
    case = Case(Form(products=True, categories=True, slot=True, activity=True), seed=3)
    taste, items = case.taste(), case.items(case.candidates)
    first = taste.logits(items).copy()
    taste.logits(case.items(case.candidates.flip(0)))
    assert np.array_equal(taste.logits(items), first)


def test_a_taste_changes_no_parameter() -> None:
    case = Case(Form(products=True, categories=True, slot=True, activity=True, calibrator=True), seed=4)
    before = {name: one.clone() for name, one in case.mlp.items()}
    case.taste().logits(case.items(case.candidates))
    assert all(torch.equal(one, before[name]) for name, one in case.mlp.items())


@pytest.mark.parametrize("form", [Form(), Form(slot=True, activity=True)], ids=str)
def test_items_split_where_they_are_told_to(form: Form) -> None:
    case = Case(form, seed=5)
    whole = case.items(case.candidates)
    for first, second in (whole.split(at) for at in (0, 4, 9)):
        both = [
            (first.vectors, second.vectors, whole.vectors),
            (first.bias, second.bias, whole.bias),
            (first.activity, second.activity, whole.activity),
        ]
        for one, other, all_of_it in both:
            if all_of_it is None:
                assert one is other is None
            else:
                assert one is not None
                assert other is not None
                assert np.array_equal(np.concatenate([one, other]), all_of_it)

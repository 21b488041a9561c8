"""What the base model computes of vectors, and its form as settings have it."""

import pytest
import torch

from trainer.base import newest
from trainer.batches import Bags, Batch
from trainer.model import forward, initial_mlp
from trainer.parts import PRODUCTS
from trainer.settings import TrainerSettings


def batch_of_one(history, category=None):
    """User 0 and item 0 of a batch whose items are rows 0, 1, …; history: items."""
    n = len(history)
    return Batch(
        rows={},
        user=torch.tensor([0]),
        item=torch.tensor([0]),
        item_row=torch.arange(3),
        category=category,
        history=Bags(
            torch.tensor(history, dtype=torch.int64), torch.tensor([0]), torch.full((n,), 1 / max(n, 1))
        ),
        label=torch.tensor([1.0]),
    )


def mlp_that_shows(inputs, products, wanted):
    """An MLP of one unit a layer whose logit is one of its product inputs, less what ReLU cuts off."""
    kernel = torch.zeros(products, 1)
    kernel[wanted] = 1
    zero, one = torch.zeros(1), torch.ones(1, 1)
    return {
        "kernel1": torch.zeros(inputs, 1),
        "bias1": zero,
        PRODUCTS: kernel,
        "kernel2": one,
        "bias2": zero,
        "kernel3": one,
        "bias3": zero,
    }


@pytest.mark.parametrize(
    ("wanted", "product"),
    [(0, 3.0 * 4), (1, 2.0 * 5), (2, 7.0 * 4), (3, 1.0 * 5), (4, 2.0 * 4), (5, 1.0 * 5)],  # s∘v, u∘v, l∘v
)
def test_products_are_those_of_the_item_with_the_history_s_mean_the_user_and_the_newest_item(wanted, product):
    tables = {
        "user": torch.tensor([[7.0, 1.0]]),
        "item": torch.tensor([[4.0, 5.0], [2.0, 1.0], [4.0, 3.0]]),  # v; the history's mean is [3, 2]
    }
    logit = forward(tables, mlp_that_shows(6, 6, wanted), batch_of_one([1, 2]))
    assert logit.tolist() == [product]


@pytest.mark.parametrize(
    ("wanted", "product"),
    [(0, 3.0 * 4), (1, 0.25 * 0.5), (2, 7.0 * 4), (3, 2.0 * 4), (4, 0.25 * 0.5)],  # s∘v of item, category; …
)
def test_with_categories_the_history_s_products_have_their_part_and_the_user_s_has_not(wanted, product):
    tables = {
        "user": torch.tensor([[7.0]]),
        "item": torch.tensor([[4.0], [2.0], [4.0]]),
        "category": torch.tensor([[0.5], [0.25]]),
    }
    category = Bags(torch.tensor([0, 1, 1]), torch.arange(3), torch.ones(3))
    logit = forward(tables, mlp_that_shows(5, 5, wanted), batch_of_one([1, 2], category))
    assert logit.tolist() == [product]


def test_without_a_history_only_the_user_s_product_is_left():
    tables = {"user": torch.tensor([[7.0, 1.0]]), "item": torch.ones(3, 2)}
    logits = [forward(tables, mlp_that_shows(6, 6, wanted), batch_of_one([])).item() for wanted in range(6)]
    assert logits == [0, 0, 7, 1, 0, 0]


def test_the_newest_of_a_history_is_its_first_item_wherever_empty_ones_stand():
    vectors, offsets = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([0, 0, 2, 2, 3])
    bags = Bags(torch.tensor([2, 0, 1]), offsets, torch.ones(3))
    assert newest(vectors, bags)[:, 0].tolist() == [0, 3, 0, 2, 0]


@pytest.mark.parametrize(("categories", "inputs", "products"), [(False, 24, 24), (True, 40, 40)])
def test_settings_say_whether_products_are_read(categories, inputs, products):
    with_products, without = (
        initial_mlp(TrainerSettings(embedding=8, products=wanted), 0, categories) for wanted in (True, False)
    )
    assert with_products["kernel1"].shape == (inputs, inputs // 2)
    assert with_products.pop(PRODUCTS).shape == (products, inputs // 2)
    assert with_products.keys() == without.keys()
    assert all(torch.equal(one, without[name]) for name, one in with_products.items())

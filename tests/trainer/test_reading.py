"""Rows gathered in one pass: what torch's own operators gather, and the gradient that they have."""

import pytest
import torch
from torch.nn.functional import embedding

from trainer.base import Inputs
from trainer.batches import Bags
from trainer.reading import read

E, W = 3, 4


def bags(*lists):
    """Lists of places, each with weights of its own."""
    lengths = torch.tensor([len(one) for one in lists])
    index = torch.tensor([place for one in lists for place in one], dtype=torch.int64)
    return Bags(index, torch.cumsum(lengths, 0) - lengths, 1 / (1 + torch.arange(len(index)).float()))


USER, ITEM = torch.tensor([2, 0, 2, 1]), torch.tensor([0, 4, 4, 1])
HISTORIES = {
    "some have none": bags([1, 1, 3], [], [4], []),
    "all have one": bags([0], [1], [2], [3]),
    "nobody has one": bags([], [], [], []),
}


def rows(count, width):
    return torch.randn(count, width, dtype=torch.float64, generator=torch.Generator().manual_seed(count))


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
@pytest.mark.parametrize("slot", [0, 1])
def test_what_is_read_is_what_operators_read(history, slot):
    users, items = rows(3, E + slot), rows(5, W + slot)
    found = read(users, items, USER, ITEM, history, W)
    expected = Inputs(embedding(USER, users), embedding(ITEM, items), items[:, :W], history)
    for name, one in found._asdict().items():
        torch.testing.assert_close(one, getattr(expected, name))


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
@pytest.mark.parametrize("slot", [0, 1])
def test_its_gradient_is_that_of_finite_differences(history, slot):
    leaves = [one.requires_grad_() for one in (rows(3, E + slot), rows(5, W + slot))]
    assert torch.autograd.gradcheck(lambda *given: tuple(read(*given, USER, ITEM, history, W)), leaves)


def test_what_is_not_read_has_no_part_in_the_gradient():
    users, items = (one.requires_grad_() for one in (rows(3, E), rows(5, W)))
    found = read(users, items, USER, ITEM, HISTORIES["some have none"], W)
    of_users, of_items = torch.autograd.grad(found.newest.sum(), [users, items])
    assert not of_users.any()
    assert of_items.sum(1).tolist() == [0, W, 0, 0, W]


def test_rows_may_lie_in_memory_as_they_like():
    users, items, history = rows(3, E), rows(5, W), HISTORIES["some have none"]
    turned = [one.T.contiguous().T for one in (users, items)]
    for one, two in zip(
        read(users, items, USER, ITEM, history, W), read(*turned, USER, ITEM, history, W), strict=True
    ):
        assert torch.equal(one, two)

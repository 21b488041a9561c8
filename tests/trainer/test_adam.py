import pytest
import torch

from trainer.adam import DenseAdam, grown_moments, step_rows, zero_moments


def weights(seed):
    return torch.rand(6, 4, generator=torch.Generator().manual_seed(seed)) - 0.5


def test_a_gradient_that_lies_transposed_in_memory_steps_like_any_other():
    results = []
    for gradient in (weights(1), weights(1).T.contiguous().T):
        parameters = {"w": weights(0)}
        adam = DenseAdam(parameters, zero_moments(parameters), 0.1)
        adam.step({"w": gradient})
        results.append(parameters["w"])
    assert torch.equal(*results)


def test_parameters_that_are_not_contiguous_are_refused():
    parameters = {"w": weights(0).T}
    with pytest.raises(ValueError, match="contiguous"):
        DenseAdam(parameters, zero_moments(parameters), 0.1)


def test_going_on_from_carried_moments_is_never_having_stopped():
    whole, parts = {"w": weights(0)}, {"w": weights(0)}
    adam = DenseAdam(whole, zero_moments(whole), 0.1)
    moments = zero_moments(parts)
    for seed in range(1, 6):
        adam.step({"w": weights(seed)})
        resumed = DenseAdam(parts, moments, 0.1)
        resumed.step({"w": weights(seed)})
        moments = resumed.moments()
    assert torch.equal(whole["w"], parts["w"])
    assert moments.step == 5


def test_a_step_on_rows_is_the_dense_step_on_those_and_nothing_elsewhere():
    dense, rows = {"w": weights(0)}, torch.tensor([1, 4])
    gradient = torch.zeros(6, 4).index_copy(0, rows, weights(1)[:2])
    DenseAdam(dense, zero_moments(dense), 0.1).step({"w": gradient})
    table, moments = weights(0), zero_moments(dense)
    step_rows(table, moments.m["w"], moments.v["w"], rows, weights(1)[:2], 1, 0.1)
    torch.testing.assert_close(table, dense["w"], atol=1e-6, rtol=0)
    others = torch.tensor([0, 2, 3, 5])
    assert torch.equal(table[others], weights(0)[others])


def test_new_rows_have_no_moments():
    small, large = {"w": weights(0)[:4]}, {"w": weights(0)}
    adam = DenseAdam({"w": small["w"].clone()}, zero_moments(small), 0.1)
    adam.step({"w": weights(1)[:4]})
    grown = grown_moments(adam.moments(), large)
    assert torch.equal(grown.m["w"][:4], adam.moments().m["w"])
    assert not grown.v["w"][4:].any()
    assert grown.step == 1

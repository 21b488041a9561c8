import numpy as np
import pytest
import torch

from trainer.adam import DenseAdam, Moments
from trainer.batches import Examples, make_batch
from trainer.catalogue import Catalogue
from trainer.model import Theta, forward
from trainer.settings import TrainerSettings
from trainer.update import gradients_of

TABLES = {"user": "user_emb_w", "item": "item_emb_w", "category": "cate_emb_w"}
MLP = {f"{kind}{layer}": f"fcn{layer}_{kind}" for layer in (1, 2, 3) for kind in ("kernel", "bias")}


def movies(parity):
    """The catalogue of MovieLens-100K as the authors number it."""
    catalogue = Catalogue(TrainerSettings(strategy="iu"), with_categories=True)
    catalogue.categories.admit(map(str, range(19)))
    lengths = parity["cate_lens"]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    flat = np.concatenate([row[:length] for row, length in zip(parity["cates"], lengths, strict=True)])
    catalogue.restore([str(item) for item in range(len(lengths))], offsets, flat.astype(np.int64))
    return catalogue


def batch_of(parity, prefix):
    lengths = parity[f"{prefix}/hist_len"]
    history = [row[:length] for row, length in zip(parity[f"{prefix}/hist_i"], lengths, strict=True)]
    user, item = (parity[f"{prefix}/{name}"].astype(np.int64) for name in ("u", "i"))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    flat = np.concatenate(history).astype(np.int64)
    examples = Examples(1, len(user), user, item, offsets, flat, parity[f"{prefix}/y"].astype(np.float32))
    return make_batch(examples, movies(parity))


def theta_of(parity, prefix, suffix=""):
    tensors = {
        ours: torch.from_numpy(parity[f"{prefix}/{name}{suffix}"]) for ours, name in (TABLES | MLP).items()
    }
    return Theta({name: tensors[name] for name in TABLES}, {name: tensors[name] for name in MLP})


@pytest.mark.parametrize("when", ["base_before", "base_after"])
def test_scores_of_the_base_model_are_the_authors(parity, when):
    theta, batch = theta_of(parity, when), batch_of(parity, "base_batch")
    scores = torch.sigmoid(forward(theta.touched(batch), theta.mlp, batch))
    np.testing.assert_allclose(scores.numpy(), parity[f"{when}/scores"], atol=1e-5)


@pytest.fixture
def as_tf1_ran_it(parity, monkeypatch):
    """Backward passes that read the kernels as they are AFTER the step.

    In the authors' run a kernel was already updated when the gradient was passed down through it (TF-1 reads
    a variable where it lies; the gradients of kernel3 and bias3 alone fit the kernels before). The fixture
    reproduces that: the values and the kernels' own gradients are those of `linear`.
    """
    after = [theta_of(parity, "base_after").mlp[f"kernel{layer}"] for layer in (1, 2, 3)]
    layers = iter(after)

    def linear(x, weight, bias):
        passed_down = x @ next(layers)
        return x.detach() @ weight.T + bias + passed_down - passed_down.detach()

    monkeypatch.setattr("trainer.model.linear", linear)


@pytest.mark.usefixtures("as_tf1_ran_it")
def test_adam_through_the_authors_formula_on_our_gradients_gives_their_parameters(parity):
    loss, gradients, _ = step_gradients(parity)
    assert loss == pytest.approx(float(parity["base_before/loss"]), abs=1e-5)
    power1, power2 = (float(parity[f"base_before/beta{one}_power"]) for one in (1, 2))
    rate = 1e-3 * np.sqrt(1 - power2) / (1 - power1)
    for ours, name in (TABLES | MLP).items():
        w, m, v = (parity[f"base_before/{name}{suffix}"] for suffix in ("", "@m", "@v"))
        g = gradients[ours].numpy()
        theirs = (parity[f"base_after/{name}@m"] - 0.9 * m) / 0.1
        np.testing.assert_allclose(g, theirs, atol=1e-5)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        np.testing.assert_allclose(v, parity[f"base_after/{name}@v"], atol=1e-8)
        np.testing.assert_allclose(
            w - rate * m / (np.sqrt(v) + 1e-8), parity[f"base_after/{name}"], atol=1e-5
        )


@pytest.mark.usefixtures("as_tf1_ran_it")
def test_our_dense_step_on_carried_moments_moves_as_theirs_untouched_rows_included(parity):
    _, gradients, theta = step_gradients(parity)
    moments = Moments(
        theta_of(parity, "base_before", "@m").named(),
        theta_of(parity, "base_before", "@v").named(),
        round(np.log(float(parity["base_before/beta2_power"])) / np.log(0.999)) - 1,
    )
    adam = DenseAdam(theta.named(), moments, 1e-3)
    adam.step(gradients)
    for ours, name in (TABLES | MLP).items():
        np.testing.assert_allclose(theta.named()[ours].numpy(), parity[f"base_after/{name}"], atol=1e-5)


def step_gradients(parity):
    """The loss, its gradient by whole tensors, and Θ before the authors' step."""
    theta, batch = theta_of(parity, "base_before"), batch_of(parity, "base_batch")
    loss, of_rows, gradients = gradients_of(theta, batch)
    for name, one in of_rows.items():
        whole = torch.zeros_like(theta.tables[name])
        gradients[name] = whole.index_add(0, batch.rows[name], one)
    return float(loss), gradients, theta

import numpy as np
import pytest
import torch

from metagen.gru import cell, output, step_weights
from metagen.joint import joint_batches
from metagen.multi import window_loss
from metagen.sweep import carry, sweep
from metagen.touched import Touched
from metagen.window import MLP as SCALARS
from metagen.window import Window, bank_of
from trainer.adam import DenseAdam, Moments
from trainer.batches import Examples, make_batch
from trainer.catalogue import Catalogue
from trainer.model import Theta, forward
from trainer.settings import TrainerSettings

TABLES = {"user": "user_emb_w", "item": "item_emb_w", "category": "cate_emb_w"}
MLP = {f"{kind}{layer}": f"fcn{layer}_{kind}" for layer in (1, 2, 3) for kind in ("kernel", "bias")}
LINEAR = step_weights("linear", 3)
GATES = {"u": ("u_z", "u_r", "u_g"), "w": ("w_z", "w_r", "w_g"), "w_y": ("w_hy",), "b_y": ("b_y",)}


@pytest.fixture(scope="module")
def window(parity):
    thetas = []
    for model in range(3):
        tensors = {
            ours: torch.from_numpy(parity[f"in/{name}"][..., model].copy())
            for ours, name in (TABLES | MLP).items()
        }
        thetas.append(Theta({name: tensors[name] for name in TABLES}, {name: tensors[name] for name in MLP}))
    return Window.of(thetas)


@pytest.fixture(scope="module")
def hidden(parity):
    tables = {ours: torch.from_numpy(parity[f"init_h/{name}"]) for ours, name in TABLES.items()}
    scalars = [parity[f"init_h/{name}"].reshape(-1, 1, 4) for name in MLP.values()]
    return tables | {SCALARS: torch.from_numpy(np.concatenate(scalars))}


@pytest.fixture(scope="module")
def slices(parity):
    catalogue = Catalogue(TrainerSettings(strategy="iu"), with_categories=True)
    catalogue.categories.admit(map(str, range(19)))
    catalogue.users.admit(map(str, range(len(parity["in/user_emb_w"]))))
    lengths = parity["cate_lens"]
    flat = np.concatenate([row[:length] for row, length in zip(parity["cates"], lengths, strict=True)])
    ids = [str(item) for item in range(len(lengths))]
    catalogue.restore(ids, np.concatenate([[0], np.cumsum(lengths)]), flat.astype(np.int64))
    data = []
    for step in range(3):
        user, item, hist, length, y = (
            parity[f"batch{step}/{n}"] for n in ("u", "i", "hist_i", "hist_len", "y")
        )
        flat = np.concatenate([row[:n] for row, n in zip(hist, length, strict=True)]).astype(np.int64)
        offsets = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
        data.append(
            Examples(
                1,
                len(user),
                user.astype(np.int64),
                item.astype(np.int64),
                offsets,
                flat,
                y.astype(np.float32),
            )
        )
    return data, catalogue


def loss_of_slices(window, slices, omega, hidden):
    """What training computes of the authors' three batches, each a whole period set; float32 as theirs."""
    data, catalogue = slices
    touched = Touched.of(data, catalogue)
    (joint,) = joint_batches(touched, 10_000, 0, 0)
    some = {name: hidden[name][rows] for name, rows in touched.rows.items()}
    some[SCALARS] = hidden[SCALARS]
    return window_loss(window.part(touched.rows), joint, omega, some, LINEAR, residual=False)


def omega_of(parity, prefix, suffix=""):
    """Their weights [P, 1 or d, d], row vector times matrix, as ours [P, 3d, 1 or d], matrix times column."""

    def ours(name, weights):
        gates = [parity[f"{prefix}/{name}/{weight}{suffix}"].transpose(0, 2, 1) for weight in weights]
        return np.concatenate(gates, axis=1)

    omega = {
        f"{table}/{key}": ours(name, weights)
        for table, name in TABLES.items()
        for key, weights in GATES.items()
    }
    for key, weights in GATES.items():
        omega[f"{SCALARS}/{key}"] = np.concatenate([ours(name, weights) for name in MLP.values()])
    return {name: torch.from_numpy(one.copy()) for name, one in omega.items()}


def expected(parity, prefix):
    """theta* and hidden states per step as the authors computed them, in our shapes."""
    for step in range(3):
        scalars = [parity[f"{prefix}/theta/{name}"][..., step].reshape(-1) for name in MLP.values()]
        states = [parity[f"{prefix}/hs/{name}"][..., step].reshape(-1, 4) for name in MLP.values()]
        yield (
            {ours: parity[f"{prefix}/theta/{name}"][..., step] for ours, name in TABLES.items()}
            | {SCALARS: np.concatenate(scalars)},
            {ours: parity[f"{prefix}/hs/{name}"][..., step] for ours, name in TABLES.items()}
            | {SCALARS: np.concatenate(states)},
        )


@pytest.mark.parametrize(("weights", "when"), [("gru_before", "before"), ("gru_after_B", "after_B")])
def test_every_step_generates_the_authors_parameters_and_hidden_states(parity, window, hidden, weights, when):
    omega = omega_of(parity, weights)
    inputs = {name: [one.T for one in table] for name, table in window.tables.items()}
    inputs[SCALARS] = list(window.mlp[:, :, None])
    states = {name: one.permute(1, 2, 0) for name, one in hidden.items() if name != SCALARS}
    states[SCALARS] = hidden[SCALARS].transpose(1, 2)
    for name, thetas in inputs.items():
        bank, h = bank_of(omega, name), states[name]
        for one, (theta, hs) in zip(thetas, expected(parity, when), strict=True):
            h = cell(bank, one, h)
            star = output(bank, one, h, residual=False)
            ours = star[:, 0] if name == SCALARS else star.T
            np.testing.assert_allclose(ours, theta[name], atol=1e-5)
            ours = h[:, :, 0] if name == SCALARS else h.permute(2, 0, 1)
            np.testing.assert_allclose(ours, hs[name], atol=1e-5)


def test_loss_and_gradients_on_touched_rows_are_the_authors_dense_ones(parity, window, hidden, slices):
    omega = {name: one.requires_grad_() for name, one in omega_of(parity, "gru_before").items()}
    loss = loss_of_slices(window, slices, omega, hidden)
    assert loss.item() == pytest.approx(float(parity["before/loss"]), abs=1e-5)
    loss.backward()
    for name, theirs in omega_of(parity, "grad").items():
        np.testing.assert_allclose(omega[name].grad, theirs, atol=1e-5)


@pytest.mark.parametrize(("when", "carried"), [("A", False), ("B", True)])
def test_adam_through_the_authors_formula_gives_their_generator(
    parity, window, hidden, slices, when, carried
):
    omega = {name: one.requires_grad_() for name, one in omega_of(parity, "gru_before").items()}
    gradients = torch.autograd.grad(loss_of_slices(window, slices, omega, hidden), list(omega.values()))
    powers = [float(parity[f"adam_before_B/beta{one}_power"]) for one in (1, 2)] if carried else [0.9, 0.999]
    rate = 1e-2 * np.sqrt(1 - powers[1]) / (1 - powers[0])
    zeros = {name: torch.zeros_like(one) for name, one in omega.items()}
    m = omega_of(parity, "adam_before_B", "/m") if carried else zeros
    v = omega_of(parity, "adam_before_B", "/v") if carried else zeros
    theirs = omega_of(parity, f"gru_after_{when}")
    for (name, one), g in zip(omega.items(), gradients, strict=True):
        new_m, new_v = 0.9 * m[name] + 0.1 * g, 0.999 * v[name] + 0.001 * g * g
        step = rate * new_m / (new_v.sqrt() + 1e-8)
        # Without history Adam divides a gradient by its own size: below the bound on gradients, only noise.
        clear = g.abs() > (0 if carried else 1e-5)
        np.testing.assert_allclose(
            (one - step).detach()[clear], theirs[name][clear], atol=1e-5 if carried else 1e-4
        )


def test_our_step_on_carried_moments_gives_their_generator(parity, window, hidden, slices):
    omega = {name: one.requires_grad_() for name, one in omega_of(parity, "gru_before").items()}
    gradients = torch.autograd.grad(loss_of_slices(window, slices, omega, hidden), list(omega.values()))
    step = round(np.log(float(parity["adam_before_B/beta2_power"])) / np.log(0.999)) - 1
    moments = Moments(omega_of(parity, "adam_before_B", "/m"), omega_of(parity, "adam_before_B", "/v"), step)
    leaves = {name: one.detach() for name, one in omega.items()}
    DenseAdam(leaves, moments, 1e-2).step(dict(zip(omega, gradients, strict=True)))
    for name, theirs in omega_of(parity, "gru_after_B").items():
        clear = moments.v[name].sqrt() > 1e-6  # below, torch's other place for epsilon shows
        np.testing.assert_allclose(leaves[name][clear], theirs[clear], atol=1e-4)


def test_the_sweep_publishes_the_last_step_and_carries_the_first_hidden_state(parity, window, hidden, slices):
    omega = omega_of(parity, "gru_after_B")
    star = sweep(window, omega, hidden, residual=False)
    for ours, name in TABLES.items():
        np.testing.assert_allclose(star.tables[ours], parity[f"after_B/theta/{name}"][..., 2], atol=1e-5)
    for ours, name in MLP.items():
        np.testing.assert_allclose(star.mlp[ours], parity[f"after_B/theta/{name}"][..., 2], atol=1e-5)
    carried = carry(window, omega, hidden)
    for ours, name in TABLES.items():
        np.testing.assert_allclose(carried[ours], parity[f"next_init_h_B/{name}"], atol=1e-5)
    states = [parity[f"next_init_h_B/{name}"].reshape(-1, 1, 4) for name in MLP.values()]
    np.testing.assert_allclose(carried[SCALARS], np.concatenate(states), atol=1e-5)
    data, catalogue = slices
    batch = make_batch(data[2], catalogue)
    scores = torch.sigmoid(forward(star.touched(batch), star.mlp, batch))
    np.testing.assert_allclose(scores, parity["after_B/scores2"], atol=1e-5)

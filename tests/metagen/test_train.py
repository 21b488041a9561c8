import numpy as np
import pytest
import torch
from dense import coordinate_cell, coordinate_loss, first_joint, part_of

from metagen.generator import Model
from metagen.generators import GRU, generator_of
from metagen.gru import step_weights, unroll
from metagen.joint import joint_batches
from metagen.multi import Gru, window_loss
from metagen.settings import MetagenSettings
from metagen.touched import Touched
from metagen.window import GeneratorState, Window, bank_of, grown_hidden
from trainer.batches import make_batch, make_examples
from trainer.catalogue import Catalogue
from trainer.model import Theta, grown, initial_theta
from trainer.settings import TrainerSettings

TRAINER = TrainerSettings(embedding=8, batch=16, init_rows=16, strategy="iu")
LINEAR = [1 / 6, 2 / 6, 3 / 6]


@pytest.mark.parametrize("categories", [0, 4])
@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("rows", ["grow", "hash:11"])
@pytest.mark.parametrize("generator", GRU)
def test_the_gradient_from_touched_rows_is_the_dense_one(
    random_period, categories, residual, rows, generator, loop
):
    settings = MetagenSettings(generator=generator, residual=residual)
    gru = generator_of(settings, 16, 0)
    trainer = TrainerSettings(embedding=8, batch=16, item_rows=rows, strategy="iu")
    periods = [random_period(seed, items=40, categories=categories) for seed in range(6)]
    models, data, catalogue, state, _ = loop(periods, settings, trainer)
    window = Window.of([one.theta for one in models[:-1][-gru.k :]])
    weights = gru.weights(len(window))
    touched, joint, slices = first_joint(data[-len(weights) :], catalogue, 16)
    part, hidden = part_of(window, state.hidden, touched)
    leaves = [{name: one.double().requires_grad_() for name, one in state.omega.items()} for _ in range(2)]
    window_loss(part, joint, leaves[0], hidden, weights, residual).backward()
    grown_h = grown_hidden(state.hidden, window.rows())
    coordinate_loss(window, slices, leaves[1], grown_h, weights, residual).backward()
    for name in state.omega:
        torch.testing.assert_close(leaves[0][name].grad, leaves[1][name].grad, atol=1e-10, rtol=0)
    assert any(one.grad.abs().max() > 1e-4 for one in leaves[1].values())


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("scored", [1, 3])
def test_the_gradient_of_unrolled_cells_is_that_of_finite_differences(biased, scored):
    torch.manual_seed(0)
    shapes = {"u": (2, 9, 1), "w": (2, 9, 3), "w_y": (2, 1, 3), "b_y": (2, 1, 1)}
    shapes |= {"b": (2, 9, 1)} if biased else {}
    bank = {name: torch.randn(*one, dtype=torch.double, requires_grad=True) for name, one in shapes.items()}
    thetas, h = torch.randn(3, 2, 5, dtype=torch.double), torch.randn(2, 3, 5, dtype=torch.double)

    def stars(*weights):
        return unroll(dict(zip(bank, weights, strict=True)), thetas, h, [5, 4, 2], scored, residual=True)

    assert torch.autograd.gradcheck(stars, tuple(bank.values()))


def test_two_runs_give_the_same_generator_hidden_state_and_model(random_period, loop):
    periods = [random_period(seed, categories=3) for seed in range(7)]
    one, two = (loop(periods, MetagenSettings(generator="asmg-gru-multi")) for _ in range(2))
    for name, tensor in one[3].omega.items():
        assert torch.equal(tensor, two[3].omega[name])
    for name, tensor in one[3].hidden.items():
        assert torch.equal(tensor, two[3].hidden[name])
    for name, tensor in one[4].named().items():
        assert torch.equal(tensor, two[4].named()[name])
    assert one[3].trained == 4


@pytest.mark.parametrize("gate_biases", [True, False])
def test_an_untrained_residual_generator_is_incremental_update(random_period, gate_biases, loop):
    settings = MetagenSettings(generator="asmg-gru-multi", gate_biases=gate_biases)
    models, *_ = loop([random_period(seed) for seed in range(3)], settings)
    columns = Catalogue(TRAINER, False)
    for seed in range(3):
        columns.extend(random_period(seed))
    models = [Model(grown(one.theta, columns.columns(), TRAINER, 0), {}, one.period) for one in models]
    generator = Gru(settings, 16, 0)
    star = generator.generate(models, generator.initial(models[-1].theta))
    for name, tensor in models[-1].theta.named().items():
        assert torch.equal(star.named()[name], tensor)


def test_training_lowers_the_loss_of_the_window(random_period, loop):
    settings = MetagenSettings(generator="asmg-gru-multi")
    models, data, catalogue, _, _ = loop([random_period(seed) for seed in range(3)], settings)
    generator = Gru(settings, 16, 0)
    models = [Model(grown(one.theta, catalogue.columns(), TRAINER, 0), {}, one.period) for one in models]
    state = generator.initial(models[-1].theta)
    window = Window.of([one.theta for one in models])
    slices = [make_batch(one, catalogue) for one in data]
    before = coordinate_loss(window, slices, state.omega, state.hidden, LINEAR, residual=True)
    for _ in range(5):
        trained = generator.train(models, data, catalogue, state)
        state = GeneratorState(trained.omega, trained.moments, state.hidden, trained.trained)
    assert coordinate_loss(window, slices, state.omega, state.hidden, LINEAR, residual=True) < before


@pytest.mark.parametrize("sizes", [(60, 60, 60), (10, 80, 33), (60, 60, 3)])
def test_the_period_sets_are_cut_into_as_many_batches_as_the_last_has(random_period, sizes):
    catalogue, data = Catalogue(TRAINER, False), []
    for period, size in enumerate(sizes, start=1):
        samples = random_period(period, rows=size)
        catalogue.extend(samples)
        data.append(make_examples(samples, catalogue, period, 0, 1))
    runs = list(joint_batches(Touched.of(data, catalogue), 16, 0, 0))
    assert len(runs) == -(-len(data[-1]) // 16)
    for step, examples in enumerate(data):
        assert sum(run.sizes[step].examples for run in runs) == len(examples)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [("linear", [1 / 6, 2 / 6, 3 / 6]), ("uniform", [1 / 3] * 3), ("exponential", [1 / 7, 2 / 7, 4 / 7])],
)
def test_step_weights_sum_to_one_and_favour_what_is_new(weights, expected):
    np.testing.assert_allclose(step_weights(weights, 3), expected)


def test_a_new_id_enters_the_window_with_its_initial_vector_and_no_hidden_state(random_period, loop):
    settings = MetagenSettings(generator="asmg-gru-multi")
    periods = [random_period(seed, items=10) for seed in range(5)]
    _, _, catalogue, state, _ = loop(periods, settings)
    known = len(state.hidden["item"])
    newcomer = random_period(9, items=200)
    catalogue.extend(newcomer)
    models = loop(periods, settings)[0]
    generator = Gru(settings, 16, 0)
    older = [Model(grown(one.theta, catalogue.columns(), TRAINER, 0), {}, one.period) for one in models[-3:]]
    initial = initial_theta(catalogue.columns(), TRAINER, 0)
    for model in older:
        assert torch.equal(model.theta.tables["item"][known:], initial.tables["item"][known:])
    examples = [
        make_examples(one, catalogue, period, 0, 1) for period, one in enumerate([*periods[-2:], newcomer])
    ]
    after = generator.train(older, examples, catalogue, state)
    alone = Theta({"item": initial.tables["item"][known:]}, {})
    h = torch.zeros(len(alone.tables["item"]), 8, settings.hidden_size)
    bank = bank_of(after.omega, "item")
    expected = coordinate_cell(bank, alone.tables["item"].T[:, None], h.permute(1, 2, 0))
    torch.testing.assert_close(after.hidden["item"][known:].permute(1, 2, 0), expected, atol=1e-6, rtol=0)

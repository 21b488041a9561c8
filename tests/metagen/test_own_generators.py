"""Generators over a base model of one's own: touched rows are enough, and a restart changes no byte."""

import threading

import msgspec
import pytest
import torch
from dense import coordinate_loss, double, first_joint, part_of, row_loss
from memory_broker import TOPICS
from test_workers import outcome, run

from metagen.generators import generator_of
from metagen.linear import combined, combined_mlp, linear_loss
from metagen.multi import window_loss
from metagen.periods import MetaModel
from metagen.plus import RowWindow
from metagen.plus import window_loss as row_window_loss
from metagen.rebuild import rebuild
from metagen.rowcell import with_one
from metagen.settings import MetagenSettings
from metagen.shadow import shadow
from metagen.window import Part, Window, grown_hidden, hidden_of
from metagen.worker import generate
from stream.errors import ConfigurationError
from stream.records import Announcement, Shadow
from stream.store import ParquetStore
from trainer.announced import Announced
from trainer.kafka import Workplace, require_base
from trainer.model import Theta, forward, loss_of
from trainer.periods import BaseModel
from trainer.settings import TrainerSettings
from trainer.source import sha256_of
from trainer.worker import train

DCN, DIN = "examples.dcn:DCN", "own_models:Din"  # tests/own_models.py
LINEAR = [1 / 6, 2 / 6, 3 / 6]
TRAINER = TrainerSettings(
    base=DCN, embedding=4, batch=16, init_rows=16, metrics_port=0, shadow_metrics_port=0, user_rows="hash:9"
)
METAGEN = MetagenSettings(metrics_port=0, tau=1, k=2)


@pytest.fixture(params=[0, 4], ids=["plain", "categories"])
def periods(random_period, request):
    return [random_period(seed, items=40, categories=request.param) for seed in range(7)]


def trainer_of(rows="grow"):
    return TRAINER.model_copy(update={"strategy": "iu", "user_rows": "grow", "item_rows": rows})


@pytest.mark.parametrize("rows", ["grow", "hash:11"])
@pytest.mark.parametrize("generator", ["asmg-gru-multi", "asmg-gru-full"])
def test_coordinate_cells_have_the_dense_gradient_from_touched_rows(periods, rows, generator, loop):
    settings = MetagenSettings(generator=generator)
    models, data, catalogue, state, star = loop(periods[:6], settings, trainer_of(rows))
    gru = generator_of(settings, 16, 0)
    window = Window.of([one.theta for one in models[:-1][-gru.k :]])
    weights = gru.weights(len(window))
    touched, joint, slices = first_joint(data[-len(weights) :], catalogue, 16)
    part, hidden = part_of(window, state.hidden, touched)
    leaves = [{name: one.double().requires_grad_() for name, one in state.omega.items()} for _ in range(2)]
    window_loss(part, joint, leaves[0], hidden, weights, True).backward()
    coordinate_loss(
        window, slices, leaves[1], grown_hidden(state.hidden, window.rows()), weights, True
    ).backward()
    alike(leaves)
    assert star.own is models[-1].theta.own is not None


@pytest.mark.parametrize("rows", ["grow", "hash:11"])
def test_row_cells_have_the_dense_gradient_from_touched_rows(periods, rows, loop):
    settings = MetagenSettings(generator="asmg-plus", d=6)
    models, data, catalogue, state, star = loop(periods, settings, trainer_of(rows))
    window = RowWindow(models[-5:-1])
    touched, joint, slices = first_joint(data[-3:], catalogue, 16)
    leaves = [{name: one.double().requires_grad_() for name, one in state.omega.items()} for _ in range(2)]
    inputs = {name: with_one(window.inputs(name, some)).double() for name, some in touched.rows.items()}
    hidden = {name: hidden_of(state.hidden[name], some)[:, 0].double() for name, some in touched.rows.items()}
    row_window_loss(inputs, joint, leaves[0], hidden, LINEAR, star.own).backward()
    row_loss(window, slices, leaves[1], state.hidden, LINEAR).backward()
    alike(leaves)
    assert star.tables["item"].shape[1] == star.own.tables["item"] + 1  # the bias slot


def test_learned_weights_have_the_dense_gradient_from_touched_rows(periods, loop):
    models, data, catalogue, state, _ = loop(
        periods[:6], MetagenSettings(generator="asmg-linear"), trainer_of()
    )
    window = Window.of([one.theta for one in models[-4:-1]])
    leaves = [{name: one.double().requires_grad_() for name, one in state.omega.items()} for _ in range(2)]
    touched, joint, (batch,) = first_joint(data[-1:], catalogue, 16)
    part = window.part(touched.rows)
    part = Part(double(part.tables), part.mlp.double(), part.shapes, part.own)
    linear_loss(part, joint, leaves[0]).backward()
    tables = {
        name: combined(leaves[1], name, torch.stack(each).double()) for name, each in window.tables.items()
    }
    whole = Theta(tables, combined_mlp(leaves[1], part), window.own)
    loss_of(forward(whole.touched(batch), whole.mlp, batch, whole.own), batch.label).backward()
    alike(leaves)


def alike(leaves):
    for name, one in leaves[0].items():
        torch.testing.assert_close(one.grad, leaves[1][name].grad, atol=1e-10, rtol=0)
    assert any(one.grad.abs().max() > 1e-5 for one in leaves[1].values())


EACH = [
    (DCN, one) for one in ("asmg-gru-zero", "asmg-linear", "average", "ema", "iu-calibrated", "asmg-plus")
]
EACH += [(base, one) for base in (DIN, "own_models:Session") for one in ("asmg-plus", "asmg-gru-multi")]


@pytest.mark.parametrize(("base", "generator"), EACH)
def test_every_generator_takes_every_base_and_scores_it(periods, base, generator):
    trainer = TRAINER.model_copy(update={"base": base, "forget_after": 2, "user_rows": "grow"})
    metagen = MetagenSettings(generator=generator, k=2)
    device = torch.device("cpu")
    model = BaseModel.begin(trainer, 3, device, periods[0])
    meta = MetaModel(generator_of(metagen, 16, 3), trainer, 3, metagen.hidden_size, device)
    for number, samples in enumerate(periods[:5], start=1):
        model.learn(model.read(number, samples))
        meta.read(number, samples)
        score = meta.score()
        meta.train()
        parts = meta.generate(model.parts())
    assert parts is not None
    assert score.finite
    assert meta.outlook().finite


@pytest.mark.parametrize("generator", ["asmg-plus", "asmg-gru-multi"])
def test_workers_killed_and_restarted_come_to_the_same_models(shop, tmp_path, generator):
    broker, place = shop
    metagen = METAGEN.model_copy(update={"generator": generator})
    assert run(place, broker, "train", "generate", trainer=TRAINER, metagen=metagen) == []
    calm, manifests = outcome(broker), list(broker.topics[TOPICS.periods])
    place = Workplace({}, TOPICS, ParquetStore(tmp_path / "again"), place.read, place.seed)
    for topic, writes, when in (
        (TOPICS.models, 4, "before"),
        (TOPICS.models, 8, "after"),
        (TOPICS.serve, 4, "before"),
    ):
        broker.topics.clear()
        broker.topics[TOPICS.periods] = list(manifests)
        broker.dies = {topic: (writes, when)}
        assert len(run(place, broker, "train", "generate", trainer=TRAINER, metagen=metagen)) >= 1
        broker.dies = {}
        assert run(place, broker, "train", "generate", trainer=TRAINER, metagen=metagen) == []
        assert outcome(broker) == calm


@pytest.fixture
def made(shop):
    """A shop whose six periods have models of the DCN, and all that was announced."""
    broker, place = shop
    assert run(place, broker, "train", "generate", trainer=TRAINER, metagen=METAGEN) == []
    announced = Announced(TOPICS)
    for topic in (TOPICS.periods, TOPICS.models, TOPICS.serve):
        for value in broker.topics[topic]:
            announced.take(topic, value)
    return broker, place, announced


def test_models_name_their_base_and_its_code_and_come_out_the_same_again(made):
    _, place, announced = made
    for kind in ("theta", "star", "ema"):
        model = announced.models[kind, 6]
        assert model.settings["trainer"]["base"] == DCN
        assert model.settings["base_sha256"] == sha256_of(DCN)
        assert rebuild(place, announced, model, trainer_base=DCN).differing == []


def test_the_code_that_a_model_records_is_not_imported(made):
    _, place, announced = made
    model = announced.models["theta", 6]
    trainer = {**model.settings["trainer"], "base": "own_models:never"}
    other = msgspec.structs.replace(model, settings={**model.settings, "trainer": trainer})
    for record, here in ((model, None), (model, DIN), (other, DCN), (other, None)):
        with pytest.raises(ConfigurationError, match=r"^trainer.base is .* but theta/6 was made with "):
            rebuild(place, announced, record, trainer_base=here)


@pytest.mark.parametrize("base", [None, DIN])
def test_a_worker_whose_base_is_another_refuses_and_names_the_setting(made, base):
    _, place, _ = made
    other, stop = TRAINER.model_copy(update={"base": base}), threading.Event()
    expected = f"^trainer.base is {base or 'the built-in one'}, but theta/6 was made with {DCN}: "
    with pytest.raises(ConfigurationError, match=expected):
        train(place, other, stop)
    with pytest.raises(ConfigurationError, match=expected):
        generate(place, other, METAGEN, stop)


def test_a_generator_begun_under_another_base_than_the_trainer_refuses_its_first_model(shop):
    broker, place = shop
    assert run(place, broker, "train", trainer=TRAINER) == []
    other = TRAINER.model_copy(update={"base": None})
    with pytest.raises(ConfigurationError, match=f"^trainer.base is .*, but theta/1 was made with {DCN}: "):
        generate(place, other, METAGEN, threading.Event())


def test_a_file_that_has_changed_since_is_said_once(caplog):
    made_by = {"trainer": {"base": DCN}, "base_sha256": "0" * 64}
    model = Announcement(kind="theta", version=6, parts={}, parents={}, settings=made_by)
    for _ in range(2):
        require_base(model, DCN)
    assert [one.getMessage() for one in caplog.records] == [
        f"trainer.base {DCN} has changed: theta/6 was made by a file of sha256 000000000000, "
        f"the one here has {sha256_of(DCN):.12}"
    ]


def test_shadows_run_on_a_base_of_ones_own_and_sml_is_refused(made):
    broker, place, _ = made
    wanted = TRAINER.model_copy(update={"shadow": ("iu", "asmg-gru-multi")})
    stop = threading.Event()
    thread = threading.Thread(target=shadow, args=(place, wanted, METAGEN, stop), daemon=True)
    thread.start()
    for _ in range(6000):
        if len(broker.topics[TOPICS.shadows]) >= 12:
            break
        threading.Event().wait(0.01)
    stop.set()
    thread.join(60)
    shadows = broker.records(TOPICS.shadows, Shadow)
    assert {one.name: one.settings["trainer"]["base"] for one in shadows} == {
        "iu": DCN,
        "asmg-gru-multi": DCN,
    }
    assert all(one.score is not None for one in shadows if one.version == 6)
    with pytest.raises(ConfigurationError, match=r"trainer.strategy sml knows the built-in models"):
        shadow(place, TRAINER.model_copy(update={"shadow": ("sml",)}), METAGEN, threading.Event())

import pytest
import torch
from arrow_parts import ipc, through_ipc

from metagen.generators import generator_of
from metagen.multi import Gru
from metagen.parts import read_state, star_parts, state_parts
from metagen.settings import MetagenSettings
from metagen.window import GeneratorState
from stream.errors import ConfigurationError, MissingArtefact
from trainer.adam import Moments
from trainer.catalogue import Catalogue
from trainer.model import initial_theta
from trainer.settings import TrainerSettings
from trainer.snapshot import read_theta


@pytest.fixture
def trained(random_period):
    catalogue = Catalogue(TrainerSettings(embedding=8, strategy="iu"), with_categories=True)
    catalogue.extend(random_period(0, categories=3))
    theta = initial_theta(catalogue.columns(), TrainerSettings(embedding=8, strategy="iu"), 0)
    state = Gru(MetagenSettings(generator="asmg-gru-multi", d=5), 16, 0).initial(theta)
    torch.manual_seed(0)
    noise = [{name: torch.rand_like(one) for name, one in state.omega.items()} for _ in range(2)]
    hidden = {name: torch.rand_like(one) for name, one in state.hidden.items()}
    return theta, catalogue, type(state)(state.omega, Moments(*noise, 77), hidden, 6)


def test_a_generator_and_its_hidden_state_come_back_bit_for_bit(trained):
    theta, catalogue, state = trained
    parts = star_parts(theta, state, catalogue)
    stored = through_ipc(parts)
    again = read_state(stored, 5)
    assert (again.trained, again.moments.step) == (6, 77)
    for one, two in [
        (state.omega, again.omega),
        (state.moments.m, again.moments.m),
        (state.moments.v, again.moments.v),
        (state.hidden, again.hidden),
        (theta.named(), read_theta(stored).named()),
    ]:
        assert one.keys() == two.keys()
        assert all(torch.equal(tensor, two[name]) for name, tensor in one.items())
    for name, table in state_parts(again).items():
        assert ipc(table) == ipc(parts[name])


@pytest.mark.parametrize("generator", ["average", "ema"])
def test_a_generator_that_trains_nothing_comes_back_with_its_count(trained, generator):
    theta, catalogue, _ = trained
    settings = MetagenSettings(generator=generator)
    state = generator_of(settings, 16, 0).initial(theta)
    parts = star_parts(theta, GeneratorState({}, state.moments, state.hidden, 4), catalogue)
    stored = through_ipc(parts)
    again = read_state(stored, settings.hidden_size)
    assert (again.omega, again.moments.m, again.moments.step, again.trained) == ({}, {}, 0, 4)
    assert again.hidden.keys() == state.hidden.keys()
    assert all(torch.equal(tensor, again.hidden[name]) for name, tensor in state.hidden.items())
    for name, table in state_parts(again).items():
        assert ipc(table) == ipc(parts[name])


def test_a_missing_generator_is_named():
    with pytest.raises(MissingArtefact, match="generator"):
        read_state({}, 4)


def test_hidden_states_of_another_size_are_refused_with_the_setting_to_mend(trained):
    theta, catalogue, state = trained
    with pytest.raises(ConfigurationError, match=r"metagen.d is 7, .* 40 wide: keep metagen.generator"):
        read_state(star_parts(theta, state, catalogue), 7)

"""The loop of the two workers without their parts: what tests of generators train on."""

import pytest
from memory_broker import PERIODS, TOPICS, Broker

from metagen.generator import Model
from metagen.generators import generator_of
from stream.records import Manifest, encode
from stream.store import ParquetStore
from trainer.activity import activity_after
from trainer.adam import grown_moments, zero_moments
from trainer.batches import make_examples
from trainer.catalogue import Catalogue
from trainer.kafka import Workplace
from trainer.model import grown, initial_theta
from trainer.settings import TrainerSettings
from trainer.update import update


@pytest.fixture(scope="session")
def loop():
    return _loop


TRAINER = TrainerSettings(embedding=8, batch=16, init_rows=16, strategy="iu")


def _loop(periods, settings, trainer=TRAINER, seed=0):
    """(models, data, catalogue, state, star) after the last of the periods, as the two workers have them."""
    catalogue = Catalogue(trainer, bool(len(periods[0].category)))
    generator = generator_of(settings, trainer.batch, seed)
    theta = initial_theta(catalogue.columns(), trainer, seed)
    moments, state, models, data, star = zero_moments(theta.named()), None, [], [], None
    reach = generator.k + generator.before
    for period, samples in enumerate(periods, start=1):
        catalogue.extend(samples)
        columns = catalogue.columns()
        data.append(make_examples(samples, catalogue, period, seed, 1))
        models = [Model(grown(one.theta, columns, trainer, seed), one.activity, one.period) for one in models]
        if len(models) >= generator.least + generator.before:
            state = state or generator.initial(models[-1].theta)
            window = min(generator.k, len(models) - generator.before)
            state = generator.train(models[-reach:], data[-window:], catalogue, state)
        theta = grown(theta, columns, trainer, seed)
        moments = grown_moments(moments, theta.named())
        theta, moments = update(theta, moments, data[-1], catalogue, trainer, seed)
        before = models[-1].activity if models else {}
        models.append(Model(theta, activity_after(samples, catalogue, period, before), period))
        if state is not None:
            star = generator.generate(models[-reach:], state)
    return models, data, catalogue, state, star


@pytest.fixture
def shop(random_period, tmp_path, monkeypatch):
    """A broker whose periods are all closed, and the place to work on them."""
    broker = Broker()
    monkeypatch.setattr("trainer.kafka.Follower", broker.follower)
    monkeypatch.setattr("trainer.kafka.Writer", broker.writer)
    monkeypatch.setattr("os.nice", lambda _by: 0)
    parent = ""
    for period in range(PERIODS + 1):
        manifest = Manifest(period=period, parent=parent, reason="count" if period else "settings", count=60)
        parent = manifest.hash()
        broker.write(TOPICS.periods, encode(manifest))

    def read(manifest):
        return random_period(manifest.period, items=10 + 5 * manifest.period, categories=3)

    return broker, Workplace({}, TOPICS, ParquetStore(tmp_path), read, seed=1)

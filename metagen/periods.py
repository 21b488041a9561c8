"""The generator from one period to the next: all of metagen's work that touches nothing outside."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from metagen.gate import outlook
from metagen.generator import Generator, Model
from metagen.parts import read_state, star_parts
from metagen.window import GeneratorState
from stream.errors import ConfigurationError
from stream.records import Outlook
from stream.samples import Samples
from trainer.activity import Activity
from trainer.batches import Examples, make_examples
from trainer.catalogue import Catalogue
from trainer.leaving import Moved, Stay, leave, staying
from trainer.model import Theta, grown
from trainer.parts import Parts, activity_of, column
from trainer.periods import PastPeriod, uses_categories
from trainer.score import Score, logits_of, score_logits
from trainer.settings import TrainerSettings
from trainer.snapshot import read_catalogue, read_theta
from trainer.vocabulary import Vocabulary


class MetaModel:
    """ω, h and Θ* from period to period: `read` D_t, `score` Θ*_{t-1} on it, `train`, `generate` Θ*_t.

    A function of settings, seed, the periods read and the Θ_i given: restored from the last k periods and the
    parts of Θ*_{t-1} it goes on bit for bit as the one that wrote them. Nothing but `generate` waits for Θ_t.
    """

    def __init__(
        self, generator: Generator, trainer: TrainerSettings, seed: int, d: int, device: torch.device
    ) -> None:
        self.generator, self.trainer, self.seed, self.d, self.device = generator, trainer, seed, d, device
        self.catalogue: Catalogue | None = None
        self.models: deque[Model] = deque(maxlen=generator.k + generator.before)  # …, Θ_{t-1}
        self.data: deque[Examples] = deque(maxlen=generator.k)  # …, D_t
        self.state: GeneratorState | None = None
        self.star: Theta | None = None
        self._begun: Mapping[str, Activity] = {}  # that of Θ_0, where history made one
        self._before: npt.NDArray[np.float32] | None = None  # [n] logits of Θ*_{t-1} on D_t

    @property
    def trained(self) -> int:
        """Periods the generator has been trained."""
        return self.state.trained if self.state else 0

    @property
    def reach(self) -> int:
        """How many of the last periods `restore` has to be given, where there are as many."""
        return self.generator.k + self.generator.before

    @property
    def _reads_activity(self) -> bool:
        return self.trainer.strategy == "iu-activity" or self.generator.reads_activity

    def begin(self, theta: Parts) -> None:
        """Know the ids of these parts before the first period: those of Θ_0 where history made one.

        Θ_0 itself is in no window.
        """
        self.catalogue, self._begun = read_catalogue(theta, self.trainer), activity_of(theta)

    def restore(self, past: Sequence[PastPeriod], star: Parts | None) -> None:
        """Go on after the last of the consecutive `past` periods, `reach` or all there are.

        star: the parts of that period's Θ*, None where none was generated yet.
        """
        for one in past:
            self._leave(one.number, one.forgotten)
            catalogue = read_catalogue(one.theta, self.trainer)
            self._move(catalogue.users)
            self.catalogue = catalogue
            self.data.append(self._examples(one.number, one.samples))
            self._admit(self._model(one.theta, one.number))
        self.models = deque(map(self._grown, self.models), self.models.maxlen)
        if star is not None:
            self.adopt(star)

    def adopt(self, star: Parts) -> None:
        """Go on from these parts of Θ*_t in place of what was made here.

        Raises: ConfigurationError: the generator in them has another form than the settings say.
        """
        state = read_state(star, self.d).to(self.device)
        if _form(state) != _form(self.generator.initial(self.models[-1].theta)):
            raise ConfigurationError(
                "the stored generator has another form: "
                "keep metagen.generator, metagen.k, metagen.d and metagen.gate_biases as they were"
            )
        self.state, self.star = state, read_theta(star, self.trainer).to(self.device)
        assert self.catalogue is not None
        users = self.catalogue.users
        if users.buckets is None and (moved := self._moved(column(star["user"], "id").to_pylist(), users)):
            self._carry_star(moved)

    def read(self, number: int, samples: Samples, forgotten: Collection[str] = ()) -> None:
        """D_t; the first tells whether there are categories, as it tells the trainer.

        Before it the same leave as leave the base model, which is told of the same `forgotten`.
        """
        if self.catalogue is None:
            self.catalogue = Catalogue(self.trainer, uses_categories(self.trainer, samples))
        self._leave(number, forgotten)
        self.catalogue.extend(samples)
        self.catalogue.mark(samples, number)
        self.data.append(self._examples(number, samples))
        self.models = deque(map(self._grown, self.models), self.models.maxlen)

    def score(self) -> Score | None:
        """Prequential AUC and LogLoss of Θ*_{t-1} on D_t; None where there is no Θ*_{t-1}."""
        self._before = self._logits()
        return None if self._before is None else score_logits(self._before, self.data[-1].label)

    def outlook(self) -> Outlook:
        """How Θ*_t, just generated, scores D_t, beside what Θ*_{t-1} gave it when that was scored."""
        logits = self._logits()
        assert logits is not None
        return outlook(self._before, logits)

    def train(self) -> bool:
        """ω_t and h_{t-k} from Θ_{t-k..t-1} and D_{t-k+1..t}; False where there are not as many yet."""
        window = len(self.models) - self.generator.before
        if window < self.generator.least or self.catalogue is None:
            return False
        state = self.state or self.generator.initial(self.models[-1].theta)
        data = list(self.data)[-window:]
        self.state = self.generator.train(list(self.models), data, self.catalogue, state)
        return True

    def generate(self, theta: Parts) -> dict[str, pa.Table] | None:
        """Takes Θ_t in, and answers with the parts of Θ*_t; None where nothing is trained yet.

        Raises: ConfigurationError: Θ_t has the rows of other ids.
        """
        model = self._model(theta, self.data[-1].period)
        assert self.catalogue is not None
        if self.catalogue.users.buckets is None:
            ids = column(theta["user"], "id")
            if not ids.equals(pa.array(self.catalogue.users.ids, pa.string())):
                self._move(Vocabulary("user", ids=ids.to_pylist()))
        for name, rows in self.catalogue.table_rows().items():
            if (there := len(model.theta.tables[name])) != rows:
                raise ConfigurationError(
                    f"theta/{model.period} has {there} rows of {name}, and {rows} are expected: "
                    "set trainer.forget_after alike for train, metagen and shadow"
                )
        self._admit(model)
        if self.state is None:
            return None
        self.star = self.generator.generate(list(self.models), self.state)
        activity = self.models[-1].activity if self._reads_activity else None
        return star_parts(self.star, self.state, self.catalogue, activity)

    def _logits(self) -> npt.NDArray[np.float32] | None:
        """[n] of the last generated model on the last period; None where there is none."""
        if self.star is None or self.catalogue is None:
            return None
        star = grown(self.star, self.catalogue.columns(), self.trainer, self.seed)
        return logits_of(star, self.data[-1], self.catalogue)

    def _leave(self, number: int, forgotten: Collection[str]) -> None:
        """Takes those who leave at the start of a period out of all that is held."""
        if self.catalogue is None:
            return
        activity = self.models[-1].activity if self.models else self._begun
        stay = staying(self.catalogue, activity, number, self.trainer.forget_after, forgotten)
        if stay is None:
            return
        leave(self.catalogue, stay)
        self._carry(stay)

    def _move(self, users: Vocabulary) -> None:
        """Takes all that is held over to other users, where a model has them otherwise than the one before:
        some were taken out of what is stored (`asmg forget`), perhaps of one of the two alone."""
        if self.catalogue is None or users.buckets is not None:
            return
        moved = self._moved(self.catalogue.users.ids, users)
        if moved is not None:
            self.catalogue.users = users
            self._carry(moved)

    def _moved(self, before: Sequence[str], users: Vocabulary) -> Moved | None:
        return Moved.between(before, users.ids, self.trainer, self.seed)

    def _carry(self, change: Stay | Moved) -> None:
        """Takes all that is held over to the rows there are after the change."""
        self.models = deque(
            (
                Model(change.theta(one.theta), change.activity(one.activity), one.period)
                for one in self.models
            ),
            self.models.maxlen,
        )
        self.data = deque(map(change.examples, self.data), self.data.maxlen)
        self._carry_star(change)

    def _carry_star(self, change: Stay | Moved) -> None:
        if self.star is not None:
            self.star = change.theta(self.star)
        if self.state is not None:
            self.state = replace(self.state, hidden=change.tensors(self.state.hidden))

    def _admit(self, model: Model) -> None:
        self.models.append(self._grown(model))

    def _grown(self, model: Model) -> Model:
        assert self.catalogue is not None
        theta = grown(model.theta, self.catalogue.columns(), self.trainer, self.seed)
        return Model(theta, model.activity, model.period)

    def _model(self, parts: Parts, period: int) -> Model:
        return Model(read_theta(parts, self.trainer).to(self.device), activity_of(parts), period)

    def _examples(self, number: int, samples: Samples) -> Examples:
        assert self.catalogue is not None
        before = None
        if self._reads_activity:
            before = self.models[-1].activity if self.models else {}
        negatives, draw = self.trainer.negatives, self.trainer.negative_draw
        return make_examples(samples, self.catalogue, number, self.seed, negatives, before, draw)


def _form(state: GeneratorState) -> tuple[dict[str, torch.Size], set[str]]:
    """What two states of one generator share: ω's names and shapes, and which hidden states there are."""
    return {name: one.shape for name, one in state.omega.items()}, set(state.hidden)

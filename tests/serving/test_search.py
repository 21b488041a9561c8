"""The search of the whole catalogue finds exactly what scoring every item of it would."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pytest
from serving_factory import SEED, Factory, opened

from serving import model as of_model
from serving.catalogue import Catalogue
from serving.lexicon import Lexicon
from serving.model import Best, Model
from trainer.catalogue import Catalogue as TrainerCatalogue
from trainer.model import initial_theta
from trainer.settings import TrainerSettings

SETTINGS = [
    TrainerSettings(batch=16),
    TrainerSettings(batch=16, strategy="iu", categories="no"),
    TrainerSettings(batch=16, user_rows="hash:7", item_rows="hash:11", category_rows="hash:3"),
    TrainerSettings(batch=16, strategy="sml-mf"),
]
PLAIN = SETTINGS[0]


@pytest.fixture
def trained(factory: Factory) -> Callable[[TrainerSettings], Model]:
    def make(settings: TrainerSettings) -> Model:
        factory.settings = settings
        factory.next()
        factory.next()
        return opened(factory.parts("theta"), settings, 2)

    return make


@pytest.fixture(params=[4, 7, 4096])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(of_model, "BLOCK", request.param)
    return int(request.param)


def found(
    model: Model, user: str, history: Sequence[str], k: int, categories: Sequence[str] | None = None
) -> Best:
    *before, best = model.search(user, history, k, categories)
    assert before == [None] * len(before)
    assert best is not None
    return best


def assert_best(
    best: Best,
    model: Model,
    user: str,
    history: Sequence[str],
    k: int,
    categories: Sequence[str] | None = None,
) -> None:
    """These are the best k by scoring all. Of items that hash to one row either may come first: how many are
    scored at a time rounds their scores differently."""
    items = [one for one in model.catalogue.items.names.to_pylist() if one not in history]
    if categories is not None:
        items = [one for one in items if set(model.categories_of(one, {})) & set(categories)]
    logits = model.score(user, history, items).logits
    near = {"rtol": 1e-5, "atol": 1e-6}
    np.testing.assert_allclose(best.logits, np.sort(logits)[::-1][:k], **near)
    own = dict(zip(items, logits.tolist(), strict=True))
    np.testing.assert_allclose(best.logits, [own[one] for one in best.items], **near)
    assert len(set(best.items)) == len(best.items) == min(k, len(items))


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize(("user", "history"), [("u1", ["i3", "i5", "gone"]), ("stranger", [])])
def test_it_is_the_best_of_the_whole_catalogue(
    trained: Callable[[TrainerSettings], Model],
    block: int,
    settings: TrainerSettings,
    user: str,
    history: list[str],
) -> None:
    model = trained(settings)
    for k in (1, 5, 20):
        assert_best(found(model, user, history, k), model, user, history, k)


@pytest.mark.usefixtures("block")
def test_a_k_beyond_the_catalogue_gives_all_but_the_history(
    trained: Callable[[TrainerSettings], Model],
) -> None:
    model = trained(PLAIN)
    names = model.catalogue.items.names.to_pylist()
    best = found(model, "u1", names[2:5], 10_000)
    assert len(best.items) == len(names) - 3
    assert set(best.items) == set(names) - set(names[2:5])
    assert_best(best, model, "u1", names[2:5], 10_000)
    assert sorted(best.logits, reverse=True) == best.logits.tolist()


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("categories", [["c1"], ["c0", "c3"], ["c2", "never"], ["c0", "c1", "c2", "c3"]])
def test_only_items_of_one_of_the_categories_are_found(
    trained: Callable[[TrainerSettings], Model], categories: list[str]
) -> None:
    model = trained(PLAIN)
    best = found(model, "u1", ["i3"], 8, categories)
    assert best.items
    assert_best(best, model, "u1", ["i3"], 8, categories)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("categories", [["never"], []])
def test_of_a_category_nobody_knows_nothing_is_found(
    trained: Callable[[TrainerSettings], Model], categories: list[str]
) -> None:
    best = found(trained(PLAIN), "u1", [], 8, categories)
    assert best.items == []
    assert best.logits.shape == (0,)


@pytest.mark.usefixtures("block")
def test_of_a_model_without_categories_nothing_is_found_by_category(
    trained: Callable[[TrainerSettings], Model],
) -> None:
    assert found(trained(SETTINGS[1]), "u1", [], 8, ["c1"]).items == []


def test_where_the_history_holds_the_whole_catalogue_nothing_is_found(
    trained: Callable[[TrainerSettings], Model], block: int
) -> None:
    model = trained(PLAIN)
    assert found(model, "u1", model.catalogue.items.names.to_pylist(), 8).items == []


@pytest.mark.usefixtures("block")
def test_of_equal_items_the_one_that_was_there_earlier_comes_first(
    trained: Callable[[TrainerSettings], Model],
) -> None:
    model = trained(SETTINGS[3])  # whose zeros are added without rounding, however many at a time
    tables = {name: np.zeros_like(one) for name, one in model.tables.items()}
    alike = Model(tables, model.mlp, model.catalogue, SETTINGS[3], SEED)
    names = model.catalogue.items.names.to_pylist()
    assert found(alike, "u1", names[:2], 9).items == names[2:11]


def test_others_have_a_chance_after_every_block(
    trained: Callable[[TrainerSettings], Model], block: int
) -> None:
    model = trained(PLAIN)
    yielded = list(model.search("u1", [], 5))
    assert yielded[:-1] == [None] * -(-len(model.catalogue.items) // block)
    assert isinstance(yielded[-1], Best)


def test_no_block_computes_before_it_is_asked_for(
    trained: Callable[[TrainerSettings], Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_model, "BLOCK", 4)
    model, sizes = trained(PLAIN), list[int]()
    numbered = model._numbered

    def counted(numbers: np.ndarray) -> object:
        sizes.append(len(numbers))
        return numbered(numbers)

    monkeypatch.setattr(model, "_numbered", counted)
    search = model.search("u1", [], 5)
    assert sizes == []
    next(search)
    next(search)
    assert sizes == [4, 4]


def test_it_is_said_whether_the_user_has_a_row(trained: Callable[[TrainerSettings], Model]) -> None:
    model = trained(PLAIN)
    assert found(model, "stranger", [], 2).unknown_user
    assert not found(model, "u1", [], 2).unknown_user


def test_an_empty_catalogue_gives_nothing() -> None:
    settings = TrainerSettings()
    known = TrainerCatalogue(settings, with_categories=True)
    theta = initial_theta(known.columns(), settings, SEED)
    tables, mlp = ({name: one.numpy() for name, one in each.items()} for each in (theta.tables, theta.mlp))
    none = Lexicon().version(pa.array([], pa.string()))
    zero = np.zeros(0, np.int64)
    catalogue = Catalogue(none, none, none, none, zero, np.zeros(1, np.int64), zero)
    best = found(Model(tables, mlp, catalogue, settings, SEED), "u", [], 3)
    assert (best.items, best.unknown_user) == ([], True)

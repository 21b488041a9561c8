"""What a model must be before anybody maps it: whole, finite, of these settings, no more than is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import cast

import numpy as np
import pyarrow as pa
import pytest
import torch
from serving_factory import Factory, opened

from serving.fetch import fetch, hashed
from stream.errors import AsmgError, ConfigurationError, CorruptArtefact, MissingArtefact
from stream.records import Announcement
from stream.store import Store
from trainer.columns import vectors
from trainer.parts import CATALOGUE, MLP, lists, table_of
from trainer.settings import TrainerSettings

Parts = dict[str, pa.Table]
HASHED = TrainerSettings(batch=16, user_rows="hash:7", item_rows="hash:11", category_rows="hash:3")


def fetched(parts: Mapping[str, pa.Table], settings: TrainerSettings, version: int = 2) -> Parts:
    announced = Announcement(kind="star", version=version, parts={role: role for role in parts}, parents={})
    return fetch(cast(Store, SimpleNamespace(get=parts.__getitem__)), announced, settings)


def refused(parts: Mapping[str, pa.Table], settings: TrainerSettings) -> AsmgError:
    with pytest.raises(AsmgError) as told:
        fetched(parts, settings)
    assert "\n" not in str(told.value)
    return told.value


def other(part: pa.Table, **columns: pa.Array) -> pa.Table:
    """The part with other columns in place of its own."""
    there = {name: part[name].combine_chunks() for name in part.column_names}
    return table_of({name: columns.get(name, array) for name, array in there.items()})


def without(part: pa.Table, name: str) -> pa.Table:
    return part.drop_columns([name])


def numbers(part: pa.Table, name: str = "vector") -> torch.Tensor:
    array = part[name].combine_chunks()
    flat = array.flatten().to_numpy().copy()
    return torch.from_numpy(flat.reshape(len(array), -1))


@pytest.fixture
def parts(factory: Factory) -> Parts:
    """Those of Θ_2."""
    factory.next()
    factory.next()
    return factory.parts("theta")


@pytest.fixture
def parts_of(factory: Factory) -> Callable[[TrainerSettings], Parts]:
    def make(settings: TrainerSettings) -> Parts:
        factory.settings = settings
        factory.next()
        return factory.parts("theta")

    return make


def test_what_answers_do_not_need_is_left(factory: Factory, parts: Parts) -> None:
    assert len(parts["user"].column_names) > 3
    found = fetched(parts, factory.settings)
    assert {role: table.column_names for role, table in found.items()} == {
        "user": ["vector", "id", "activity"],
        "item": ["vector", "activity"],
        "category": ["vector", "id"],
        MLP: ["name", "shape", "value"],
        CATALOGUE: ["id", "row", "categories"],
    }


def test_a_model_that_reads_no_activity_is_given_none(parts_of: Callable[[TrainerSettings], Parts]) -> None:
    settings = TrainerSettings(batch=16, strategy="iu", categories="no")
    found = fetched(parts_of(settings), settings)
    assert found.keys() == {"user", "item", MLP, CATALOGUE}
    assert found["user"].column_names == ["vector", "id"]
    assert found["item"].column_names == ["vector"]


def test_a_hashed_table_has_no_ids(parts_of: Callable[[TrainerSettings], Parts]) -> None:
    found = fetched(parts_of(HASHED), HASHED)
    assert "id" not in found["user"].column_names + found["category"].column_names
    assert len(found["item"]) == hashed(HASHED, "item") == 11
    assert found[CATALOGUE].column_names == ["id", "row", "categories"]


def test_what_is_fetched_is_of_one_chunk_and_equal(factory: Factory, parts: Parts) -> None:
    torn = {role: pa.concat_tables([table.slice(0, 2), table.slice(2)]) for role, table in parts.items()}
    found = fetched(torn, factory.settings)
    assert all(one.num_chunks == 1 for table in found.values() for one in table.columns)
    for role, table in fetched(parts, factory.settings).items():
        assert found[role].equals(table)
    assert found["user"]["vector"].combine_chunks().equals(parts["user"]["vector"].combine_chunks())


@pytest.mark.parametrize("role", ["user", "item", MLP, CATALOGUE])
def test_a_part_that_is_not_announced_is_named(factory: Factory, parts: Parts, role: str) -> None:
    del parts[role]
    error = refused(parts, factory.settings)
    assert isinstance(error, MissingArtefact)
    assert f"star/2 is announced without {role}" in str(error)


def test_a_part_that_the_store_does_not_have_is_named_with_its_model(factory: Factory, parts: Parts) -> None:
    announced = factory.announce("theta", 2, parts)
    factory.store.delete(announced.parts["item"])
    with pytest.raises(MissingArtefact, match=r"theta/2 is not whole.*part item"):
        fetch(factory.store, announced, factory.settings)


def test_parts_that_answers_do_not_need_are_not_read(factory: Factory, parts: Parts) -> None:
    read: list[str] = []

    def get(name: str) -> pa.Table:
        read.append(name)
        return parts[name]

    announced = Announcement(
        kind="star", version=2, parts={role: role for role in [*parts, "hidden/item", "omega"]}, parents={}
    )
    fetch(cast(Store, SimpleNamespace(get=get)), announced, factory.settings)
    assert sorted(read) == sorted(["user", "item", "category", MLP, CATALOGUE])


@pytest.mark.parametrize("role", ["user", "item", "category"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_number_of_a_table_that_is_not_finite_is_refused(
    factory: Factory, parts: Parts, role: str, bad: float
) -> None:
    values = numbers(parts[role])
    values[-1, -1] = bad
    error = refused(parts | {role: other(parts[role], vector=vectors(values))}, factory.settings)
    assert isinstance(error, CorruptArtefact)
    assert f"star/2 holds a number in {role} that is not finite" in str(error)


@pytest.mark.parametrize("tensor", ["kernel1", "bias3", "activity_kernel2"])
def test_a_number_of_the_mlp_that_is_not_finite_is_refused(
    factory: Factory, parts: Parts, tensor: str
) -> None:
    mlp = parts[MLP]
    values = mlp["value"].to_pylist()
    values[mlp["name"].to_pylist().index(tensor)][-1] = float("nan")
    ends = np.cumsum([0, *map(len, values)])
    spoilt = lists(ends, np.concatenate([np.array(one, np.float32) for one in values]))
    error = refused(parts | {MLP: other(mlp, value=spoilt)}, factory.settings)
    assert isinstance(error, CorruptArtefact)
    assert f"a number in {tensor} that is not finite" in str(error)


@pytest.mark.parametrize("role", ["user", "item", "category"])
def test_a_table_of_another_width_is_refused(factory: Factory, parts: Parts, role: str) -> None:
    narrow = vectors(numbers(parts[role])[:, :-1])
    error = refused(parts | {role: other(parts[role], vector=narrow)}, factory.settings)
    assert isinstance(error, CorruptArtefact)
    assert f"table {role} of width 15, not 16" in str(error)


@pytest.mark.parametrize(("role", "allowed"), [("user", True), ("item", True), ("category", False)])
def test_users_and_items_may_have_a_slot_for_a_bias(
    factory: Factory, parts: Parts, role: str, allowed: bool
) -> None:
    wide = vectors(torch.cat([numbers(parts[role]), torch.zeros(len(parts[role]), 1)], 1))
    biased = parts | {role: other(parts[role], vector=wide)}
    if allowed:
        assert fetched(biased, factory.settings)[role]["vector"].type.list_size == 17
    else:
        assert "width 17" in str(refused(biased, factory.settings))


@pytest.mark.parametrize("row", [-1, 10**6])
def test_a_category_that_is_not_there_is_refused(factory: Factory, parts: Parts, row: int) -> None:
    catalogue = parts[CATALOGUE]
    there = catalogue["categories"].combine_chunks()
    rows = there.values.to_numpy().copy()
    rows[0] = row
    spoilt = other(catalogue, categories=lists(there.offsets.to_numpy(), rows))
    error = refused(parts | {CATALOGUE: spoilt}, factory.settings)
    assert isinstance(error, CorruptArtefact)
    assert "rows of table category that it does not have: 4 are there" in str(error)


@pytest.mark.parametrize("row", [-1, 11])
def test_an_items_row_beyond_a_hashed_table_is_refused(
    parts_of: Callable[[TrainerSettings], Parts], row: int
) -> None:
    parts = parts_of(HASHED)
    rows = parts[CATALOGUE]["row"].combine_chunks().to_numpy().copy()
    rows[3] = row
    spoilt = other(parts[CATALOGUE], row=pa.array(rows))
    error = refused(parts | {CATALOGUE: spoilt}, HASHED)
    assert isinstance(error, CorruptArtefact)
    assert "rows of table item that it does not have: 11 are there" in str(error)


@pytest.mark.parametrize("change", ["swapped", "one fewer"])
def test_where_items_grow_an_items_row_is_its_number(factory: Factory, parts: Parts, change: str) -> None:
    catalogue = parts[CATALOGUE]
    if change == "swapped":
        rows = catalogue["row"].combine_chunks().to_numpy().copy()
        rows[[0, 1]] = rows[[1, 0]]
        catalogue = other(catalogue, row=pa.array(rows))
    else:
        catalogue = catalogue.slice(0, len(catalogue) - 1)
    error = refused(parts | {CATALOGUE: catalogue}, factory.settings)
    assert isinstance(error, ConfigurationError)
    assert "item_rows is grow" in str(error)


@pytest.mark.parametrize("role", ["user", "item", "category"])
def test_a_hash_of_another_size_is_a_setting_that_was_not_kept(
    parts_of: Callable[[TrainerSettings], Parts], role: str
) -> None:
    parts = parts_of(HASHED)
    settings = HASHED.model_copy(update={f"{role}_rows": "hash:5"})
    error = refused(parts, settings)
    assert isinstance(error, ConfigurationError)
    assert f"{role}_rows is hash:5" in str(error)
    assert "keep the setting a model began with" in str(error)


def test_a_model_whose_items_are_hashed_is_not_one_whose_items_grow(
    parts_of: Callable[[TrainerSettings], Parts],
) -> None:
    error = refused(parts_of(HASHED), HASHED.model_copy(update={"item_rows": "grow"}))
    assert isinstance(error, ConfigurationError)
    assert "item_rows is grow" in str(error)


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("user", "vector"),
        ("user", "id"),
        ("user", "last_seen"),
        ("item", "vector"),
        ("category", "id"),
        (MLP, "shape"),
        (CATALOGUE, "row"),
    ],
)
def test_a_column_that_lacks_is_refused(factory: Factory, parts: Parts, role: str, name: str) -> None:
    error = refused(parts | {role: without(parts[role], name)}, factory.settings)
    assert isinstance(error, CorruptArtefact)


@pytest.mark.parametrize(
    ("role", "name", "values"),
    [
        ("user", "vector", ["text"]),
        ("item", "vector", [1.0]),
        (MLP, "value", ["text"]),
        (CATALOGUE, "row", ["text"]),
        (CATALOGUE, "categories", [1]),
    ],
)
def test_a_column_of_another_type_is_refused_with_the_models_name(
    factory: Factory, parts: Parts, role: str, name: str, values: Sequence[object]
) -> None:
    strange = other(parts[role], **{name: pa.array(list(values) * len(parts[role]))})
    error = refused(parts | {role: strange}, factory.settings)
    assert isinstance(error, AsmgError)
    assert isinstance(error, ConfigurationError) or "star/2" in str(error)


def test_activity_is_that_of_the_version_that_is_announced(factory: Factory, parts: Parts) -> None:
    near, far = (fetched(parts, factory.settings, version) for version in (2, 60))
    sizes = [len(one["user"]) for one in (near, far)]
    assert sizes == [len(parts["user"])] * 2
    first, second = (numbers(one["user"], "activity") for one in (near, far))
    assert first.shape == (len(parts["user"]), 3)
    assert (second[:, 1] == 0.5).all()  # unseen for so long that it counts as never seen
    assert not torch.equal(first, second)


def test_what_is_fetched_can_be_opened(factory: Factory, parts: Parts) -> None:
    model = opened(parts, factory.settings, 2)
    assert model.catalogue.items.names.equals(parts[CATALOGUE]["id"].combine_chunks())

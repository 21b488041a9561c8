"""The service follows words to models, and a model that is refused changes nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from clock import Clock
from msgspec.structs import replace
from serving_factory import Factory, LocalDesk

from serving.health import Standing
from serving.service import Service
from serving.succession import RETRY, Succession
from stream.records import Announcement, Kind, Outlook, Serve, encode
from stream.topics import Topics
from trainer.parts import MLP
from trainer.settings import TrainerSettings

TOPICS = Topics("t.")


@pytest.fixture
def succession(service: Service, factory: Factory, clock: Clock) -> Succession:
    desk = LocalDesk(service, factory.settings)
    return Succession(desk, factory.store, TOPICS, factory.settings, lambda: 5_000, clock)


def announce(succession: Succession, model: Announcement) -> None:
    succession.take(TOPICS.models, encode(model))


def say(succession: Succession, version: int, kind: Kind = "theta", **more: object) -> None:
    word = Serve(**{"period": version, "kind": kind, "version": version, "reason": "r", **more})  # type: ignore[arg-type]
    succession.take(TOPICS.serve, encode(word))
    succession.step(awaited=True)


def standing(service: Service) -> Standing | None:
    return service.served.standing if service.served else None


def spoil(factory: Factory, model: Announcement, role: str) -> Path:
    """Swap a part of the model for another's bytes."""
    name = model.parts[role]
    path = factory.store.folder / name[:2] / f"{name}.parquet"
    path.write_bytes(b"PAR1 no more")
    return path


def test_each_word_brings_its_model_and_its_swap(
    succession: Succession, service: Service, factory: Factory
) -> None:
    announce(succession, factory.next())
    say(succession, 1)
    assert standing(service) == Standing(1, "theta", 1, 5_000)
    announce(succession, factory.next("star"))
    say(succession, 2, "star")
    assert standing(service) == Standing(2, "star", 2, 5_000)
    assert [(one.period, one.kind, one.awaited) for one in succession.swaps.values()] == [
        (1, "theta", True),
        (2, "star", True),
    ]
    assert all(one.seconds > 0 for one in succession.swaps.values())


def test_a_word_waits_for_its_announcement(
    succession: Succession, service: Service, factory: Factory
) -> None:
    model = factory.next()
    say(succession, 1)
    assert standing(service) is None
    announce(succession, model)
    succession.step(awaited=True)
    assert standing(service) is not None


def test_a_hold_is_served_and_the_gates_words_are_remembered_until_its_release(
    succession: Succession, service: Service, factory: Factory
) -> None:
    for _ in range(3):
        announce(succession, factory.next())
    say(succession, 2)
    say(succession, 1, held_by="ada")
    assert standing(service) == Standing(1, "theta", 1, 5_000, held=True)
    say(succession, 3)
    assert standing(service) == Standing(1, "theta", 1, 5_000, held=True)
    say(succession, 1, held_by="ada", release=True)
    assert standing(service) == Standing(3, "theta", 3, 5_000)
    assert sorted(succession.swaps) == [2, 3]


def test_to_hold_what_serves_is_known_to_those_that_answer_and_so_is_its_release(
    succession: Succession, service: Service, factory: Factory
) -> None:
    announce(succession, factory.next())
    say(succession, 1)
    say(succession, 1, held_by="ada")
    assert standing(service) == Standing(1, "theta", 1, 5_000, held=True)
    say(succession, 1, held_by="ada", release=True)
    assert standing(service) == Standing(1, "theta", 1, 5_000)


@pytest.mark.parametrize("role", ["user", "mlp", "catalogue"])
def test_a_corrupt_part_is_refused_with_one_line_and_the_last_good_model_serves_on(
    succession: Succession,
    service: Service,
    factory: Factory,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    role: str,
) -> None:
    announce(succession, factory.next())
    say(succession, 1)
    good = service.served
    bad = factory.next()
    announce(succession, bad)
    spoil(factory, bad, role)
    with caplog.at_level(logging.ERROR):
        say(succession, 2)
        succession.step(awaited=True)
        clock.now += RETRY
        succession.step(awaited=True)
    assert service.served is good
    assert succession.refused is not None
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1
    assert "theta/2 is refused, theta/1 serves on" in lines[0]
    assert "\n" not in lines[0]

    announce(succession, factory.next())
    say(succession, 3)
    assert standing(service) == Standing(3, "theta", 3, 5_000)
    assert succession.refused is None


def test_a_part_that_comes_later_is_found_when_the_word_is_tried_again(
    succession: Succession, service: Service, factory: Factory, clock: Clock
) -> None:
    model = factory.next()
    parts = factory.parts("theta")
    factory.store.delete(model.parts["item"])
    announce(succession, model)
    say(succession, 1)
    assert standing(service) is None
    factory.store.put(parts["item"])
    succession.step(awaited=True)
    assert standing(service) is None
    clock.now += RETRY
    succession.step(awaited=True)
    assert standing(service) == Standing(1, "theta", 1, 5_000)
    assert succession.refused is None


def test_where_nothing_serves_an_earlier_words_model_does_until_the_newest_can(
    succession: Succession, service: Service, factory: Factory, clock: Clock
) -> None:
    for version in (1, 2):
        announce(succession, factory.next())
        succession.take(TOPICS.serve, encode(Serve(period=version, kind="theta", version=version, reason="")))
    lost = factory.parts("theta")["item"]
    factory.store.delete(succession.announced.models["theta", 2].parts["item"])
    succession.step(awaited=False)
    assert standing(service) == Standing(1, "theta", 1, 5_000)
    assert succession.refused is not None
    factory.store.put(lost)
    clock.now += RETRY
    succession.step(awaited=False)
    assert standing(service) == Standing(2, "theta", 2, 5_000)
    assert not succession.swaps[2].awaited


def test_a_number_that_is_not_finite_is_refused(
    succession: Succession, service: Service, factory: Factory
) -> None:
    factory.next()
    assert factory.base is not None
    factory.base.snapshot.theta.tables["item"][2, 1] = float("nan")
    announce(succession, factory.announce("star", 1, factory.parts("star")))
    say(succession, 1, "star")
    assert standing(service) is None
    assert "not finite" in str(succession.refused)


def test_parts_of_another_form_are_refused(
    succession: Succession, service: Service, factory: Factory
) -> None:
    factory.next()
    parts = factory.parts("star")
    announce(succession, factory.announce("star", 1, parts | {MLP: parts["user"]}))
    say(succession, 1, "star")
    announce(succession, factory.announce("star", 2, parts | {"item": parts["item"].slice(1)}))
    say(succession, 2, "star")
    announce(succession, factory.announce("star", 3, parts | {"item": pa.table({"id": ["x"]})}))
    say(succession, 3, "star")
    del parts["catalogue"]
    announce(succession, factory.announce("star", 4, parts))
    say(succession, 4, "star")
    assert standing(service) is None
    assert "without catalogue" in str(succession.refused)


def test_a_model_of_other_settings_is_refused(service: Service, factory: Factory) -> None:
    settings = TrainerSettings(user_rows="hash:5")
    other = Succession(LocalDesk(service, settings), factory.store, TOPICS, settings, lambda: 5_000)
    announce(other, factory.next())
    say(other, 1)
    assert service.served is None
    assert "hash:5" in str(other.refused)


def test_records_nobody_can_read_are_counted_and_passed_over(succession: Succession) -> None:
    succession.take(TOPICS.serve, b"{")
    succession.take(TOPICS.models, None)
    succession.step(awaited=True)
    assert succession.announced.unreadable == 2


def test_the_board_is_the_same_object_while_nothing_changes(succession: Succession, factory: Factory) -> None:
    rows: Callable[[], object] = succession.rows
    first = rows()
    assert rows() is first
    announce(succession, factory.next())
    assert rows() is not first


@pytest.mark.parametrize("answers", [False, True])
def test_the_other_model_of_the_version_that_serves_is_put_beside_it(
    succession: Succession, service: Service, factory: Factory, answers: bool
) -> None:
    announce(succession, factory.next())
    say(succession, 1)
    succession.compare(answers)
    assert service.beside is None
    announce(succession, factory.announce("star", 1, factory.parts("star")))
    succession.compare(answers)
    assert service.beside is not None
    assert (service.beside.kind, service.beside.version) == ("star", 1)


@pytest.mark.parametrize(
    ("outlook", "bound", "may"),
    [
        (Outlook(finite=False), 0.5, False),
        (Outlook(finite=True, jump=0.6), 0.5, False),
        (Outlook(finite=True, jump=0.6), 0.7, True),
        (Outlook(finite=True, jump=0.6), None, True),
        (Outlook(finite=True), 0.5, True),
    ],
)
def test_a_model_that_the_gate_refuses_is_no_challenger(
    succession: Succession,
    service: Service,
    factory: Factory,
    outlook: Outlook,
    bound: float | None,
    may: bool,
) -> None:
    announce(succession, factory.next())
    settings = {} if bound is None else {"metagen": {"gate_jump": bound}}
    star = factory.announce("star", 1, factory.parts("star"))
    announce(succession, replace(star, outlook=outlook, settings=settings))
    say(succession, 1)
    succession.compare(answers=True)
    assert (service.beside is not None) == may

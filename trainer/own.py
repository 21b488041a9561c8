"""A base model of one's own, out of `trainer.base`: loaded, tried once on a few examples, and put to work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from stream.errors import ConfigurationError
from trainer.base import Inputs
from trainer.batches import Bags
from trainer.parts import CALIBRATOR, POOLING_EPSILON, TABLES
from trainer.settings import BUILT_IN, NOT_FOR, TrainerSettings
from trainer.source import failing, imported

#: What begins the names of tensors that are put beside a model's own.
ADDED = ("activity_", CALIBRATOR)

#: Held by who makes a module: torch's random numbers are the process's.
_MAKING = threading.Lock()

#: Calls that must all give the same logits: of so few examples two may be alike by chance, dropout or not.
_CALLS = 16

#: How far the logit of an example may be from the one it has beside others.
_ALIKE = 1e-4


@dataclass(frozen=True, eq=False)
class OwnBase:
    """What a class of the operator's says, for samples with or without categories."""

    name: str  # trainer.base
    tables: Mapping[str, int]  # widths of rows
    shapes: Mapping[str, torch.Size]  # of the dense tensors, in their order
    _make: Callable[[], nn.Module]
    _mine: threading.local = field(default_factory=threading.local)  # of each thread a module of its own

    def dense(self, seed: int) -> dict[str, Tensor]:
        """The initial dense tensors, a function of the seed."""
        return _parameters(_made(self._make, seed))

    def logits(self, dense: Mapping[str, Tensor], inputs: Inputs) -> Tensor:
        """[n] logits with these dense tensors; others among them, put beside them, are passed over."""
        device = inputs.user.device
        if getattr(self._mine, "device", None) != device:  # where its buffers are to be
            self._mine.module, self._mine.device = _made(self._make, 0, device), device
        # While it is called, a module has the call's tensors.
        mine = {name: dense[name] for name in self.shapes}
        found: Tensor = functional_call(self._mine.module, mine, (inputs,))
        return found

    def require(self, tables: Mapping[str, Sequence[int]], dense: Mapping[str, Sequence[int]]) -> None:
        """Raises: ConfigurationError: these shapes are not those of this base's tables and tensors."""
        for name, width in self.tables.items():
            there = tables[name][1] if name in tables else None
            slot = name != "category"  # a generator may have given users and items one
            if there not in (width, width + slot):
                raise self._other(f"table {name} is {there or 'not there'}, and {width} wide here")
        theirs = {name: shape for name, shape in dense.items() if not name.startswith(ADDED)}
        for name in {**self.shapes, **theirs}:
            here, found = (str(tuple(one[name])) if name in one else "none" for one in (self.shapes, theirs))
            if here != found:
                raise self._other(f"tensor {name} is {found}, and {here} here")

    def _other(self, what: str) -> ConfigurationError:
        return ConfigurationError(
            f"trainer.base {self.name} is not what the stored model was made with, whose {what}: "
            "put back the file it began with, and trainer.embedding"
        )


def own_base(settings: TrainerSettings, with_categories: bool) -> OwnBase | None:
    """The base that `trainer.base` names, None where it is the built-in one.

    Raises: ConfigurationError: it cannot be loaded, breaks the contract, or the strategy takes none.
    """
    if settings.base is None:
        return None
    if settings.strategy in BUILT_IN:
        raise ConfigurationError(NOT_FOR.format(strategy=settings.strategy, base=settings.base))
    return _loaded(settings.base, settings.embedding, with_categories)


@cache
def _loaded(name: str, embedding: int, with_categories: bool) -> OwnBase:
    factory: Any = imported(name)
    if not callable(factory):
        raise ConfigurationError(f"trainer.base {name} is no class: {factory!r}")
    make = partial(factory, embedding, with_categories)
    with failing(name):
        module, again = _made(make, 0), _made(make, 0)
        if not isinstance(module, nn.Module):
            raise ConfigurationError(f"trainer.base {name} makes no torch.nn.Module")
        tables = _tables(name, getattr(module, "tables", None), with_categories)
        dense = _parameters(module)
        _require_dense(name, dense, _parameters(again))
        shapes = {one: tensor.shape for one, tensor in dense.items()}
        own = OwnBase(name, tables, shapes, make)
        _try(own, dense)
    return own


def _made(make: Callable[[], nn.Module], seed: int, device: torch.device | None = None) -> nn.Module:
    # Outside of inference, whoever asks: with a buffer that was made there nothing could be trained.
    with _MAKING, torch.random.fork_rng(devices=[]), torch.inference_mode(False):
        torch.manual_seed(seed)
        module = make()
        return module if device is None else module.to(device)


def _parameters(module: nn.Module) -> dict[str, Tensor]:
    return {name: one.detach().clone() for name, one in module.named_parameters()}


def _tables(name: str, said: object, with_categories: bool) -> dict[str, int]:
    known = TABLES if with_categories else TABLES[:2]
    if not isinstance(said, Mapping) or not {"user", "item"} <= set(said) <= set(known):
        raise ConfigurationError(
            f"trainer.base {name}: its `tables` are {said!r}; widths of user and item are expected"
            f"{', perhaps of category' if with_categories else ', and none of category where there are none'}"
        )
    for table, width in said.items():
        if not isinstance(width, int) or not 1 <= width <= 1024:
            raise ConfigurationError(
                f"trainer.base {name}: its table {table} is {width!r} wide, not 1 to 1024"
            )
    return {table: said[table] for table in known if table in said}


def _require_dense(name: str, dense: Mapping[str, Tensor], again: Mapping[str, Tensor]) -> None:
    if not dense:
        raise ConfigurationError(f"trainer.base {name} has no parameters, and one at least is expected")
    for one, tensor in dense.items():
        if tensor.dtype != torch.float32 or not tensor.numel() or not torch.isfinite(tensor).all():
            raise ConfigurationError(
                f"trainer.base {name}: its parameter {one} is {tensor.dtype} {tuple(tensor.shape)}; "
                "finite numbers of float32 are expected, one at least"
            )
        if one.startswith(ADDED):
            raise ConfigurationError(
                f"trainer.base {name}: its parameter {one} has a name that begins with {' or '.join(ADDED)}, "
                "which others have: rename it"
            )
        if not torch.equal(tensor, again[one]):
            raise ConfigurationError(
                f"trainer.base {name}: its parameter {one} begins otherwise each time; "
                "take its random numbers from torch, which is given the seed"
            )


def _try(own: OwnBase, dense: Mapping[str, Tensor]) -> None:
    """A few examples, with and without a history, together and one by one.

    Raises: ConfigurationError: there is not a logit for each, or it depends on chance or on the others.
    """
    n, lengths = 5, [3, 0, 1, 2, 0]
    draw = torch.Generator().manual_seed(0)
    width = own.tables["item"] + own.tables.get("category", 0)
    user, items = (torch.rand(n, wide, generator=draw) for wide in (own.tables["user"], width))
    places = torch.randint(n, (sum(lengths),), generator=draw)

    def logits(which: list[int]) -> Tensor:
        mine = [places[sum(lengths[:one]) : sum(lengths[: one + 1])] for one in which]
        counts = torch.tensor([lengths[one] for one in which])
        weight = torch.repeat_interleave(1.0 / (counts + POOLING_EPSILON), counts).float()
        histories = Bags(torch.cat(mine), torch.cumsum(counts, 0) - counts, weight)
        found = own.logits(dense, Inputs(user[which], items[which], items, histories))
        if not isinstance(found, Tensor) or found.shape != (len(which),) or not torch.isfinite(found).all():
            form = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise ConfigurationError(
                f"trainer.base {own.name} answers {len(which)} examples with {form}; "
                f"({len(which)},) finite logits are expected"
            )
        return found

    with torch.no_grad():
        together = logits(list(range(n)))
        if not all(torch.equal(together, logits(list(range(n)))) for _ in range(_CALLS)):
            raise ConfigurationError(
                f"trainer.base {own.name} gives other logits at each call: leave out what draws at random, "
                "as dropout does"
            )
        alone = torch.cat([logits([one]) for one in range(n)])
        if not torch.allclose(together, alone, atol=_ALIKE, rtol=_ALIKE):
            raise ConfigurationError(
                f"trainer.base {own.name}: an example's logit depends on those beside it: leave out what "
                "looks across examples, as batch normalisation does"
            )

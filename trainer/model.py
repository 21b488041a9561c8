"""The base model Θ: Embedding&MLP, as the paper's section 3.5 has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, embedding, linear, relu

from trainer.activity import INACTIVE
from trainer.base import Inputs, pool
from trainer.batches import Batch
from trainer.own import OwnBase, own_base
from trainer.parts import CALIBRATOR, PRODUCTS
from trainer.reading import Read, read
from trainer.settings import FACTORISED, TrainerSettings
from trainer.vocabulary import Vocabulary, id_hashes, initial_rows, uniform

#: Hidden units of the part that reads how active an example's item and user were (method.md, the control).
ACTIVITY_UNITS = 16


@dataclass(frozen=True, eq=False)
class Theta:
    """The parameters of one base model; Θ_t* has the same form."""

    tables: dict[str, Tensor]  # "user" [users, e], "item" [items, e] and perhaps "category" [categories, e]
    mlp: dict[str, Tensor]  # "kernel1" [in, l1], "bias1" [l1], "kernel2" [l1, l2], … "bias3" [1]
    # Matrix factorisation has no third table, rows of width e + 1 with their bias last, and "bias" [1] alone.
    own: OwnBase | None = None  # of `trainer.base`: whose tables and tensors, under their names, these are

    def touched(self, batch: Batch) -> dict[str, Tensor]:
        """The rows a batch reads, table by table: what `forward` takes."""
        return {name: embedding(batch.rows[name], table) for name, table in self.tables.items()}

    def to(self, device: torch.device) -> Theta:
        """The same parameters on a device."""
        return replace(
            self,
            tables={name: one.to(device) for name, one in self.tables.items()},
            mlp={name: one.to(device) for name, one in self.mlp.items()},
        )

    def named(self) -> dict[str, Tensor]:
        """Tables and MLP under one roof."""
        return self.tables | self.mlp


def forward(
    tables: Mapping[str, Tensor], mlp: Mapping[str, Tensor], batch: Batch, own: OwnBase | None = None
) -> Tensor:
    """[n] logits of a batch (eq. 8-10, less the sigmoid).

    tables: the rows the batch touches, as Θ or a generator has them; e is the width of vectors, w = e without
    categories and 2e with; n examples over i items. A generator may give users and items a bias slot: one
    column more, which is added to the logit. A base that reads activity adds c·relu(C f + c') of it, and a
    model with a calibrator what that says. own: the base model that is meant, where it is not the built-in
    one; without it and without kernels the model is `factorised`.
    """
    if own is None and "kernel1" not in mlp:
        return factorised(tables, mlp, batch)
    if own is None:
        e_user = e = mlp["kernel1"].shape[0] // (5 if batch.category is not None else 3)
    else:
        e_user, e = own.tables["user"], own.tables["item"]
    users, items, item, history = tables["user"], tables["item"], batch.item, batch.history
    if batch.category is None:  # an item has nothing but its row
        item = batch.item_row[item]
        history = replace(history, index=batch.item_row[history.index])
    else:
        vectors = embedding(batch.item_row, items)
        categories = pool(tables["category"], batch.category)
        items = torch.cat([vectors[:, :e], categories, vectors[:, e:]], 1)  # [i, w] and perhaps a slot
    slot = users.shape[1] > e_user
    w = items.shape[1] - slot
    if own is None:
        found = read(users, items, batch.user, item, history, w)
        u, v = found.user, found.item
        logit = embedding_mlp(mlp, found._replace(user=u[:, :e_user], item=v[:, :w]))
    else:
        u, v = embedding(batch.user, users), embedding(item, items)
        logit = own.logits(mlp, Inputs(u[:, :e_user], v[:, :w], items[:, :w], history))
    if slot:
        logit = logit + u[:, e_user] + v[:, w]  # [n]
    if "activity_kernel1" in mlp and batch.activity is not None:
        a = relu(linear(batch.activity, mlp["activity_kernel1"].T, mlp["activity_bias1"]))  # [n, 16]
        logit = logit + linear(a, mlp["activity_kernel2"].T)[:, 0]
    if f"{CALIBRATOR}kernel1" in mlp and batch.activity is not None:
        logit = calibrated(logit, batch.activity, mlp)
    return logit


def embedding_mlp(mlp: Mapping[str, Tensor], inputs: Read) -> Tensor:
    """[n] the paper's Embedding&MLP (eq. 8-10).

    With a product kernel the MLP reads s∘v, u∘v and l∘v beside [u|s|v], l being the vector of the history's
    newest item.
    """
    u, v, s = inputs.user, inputs.item, inputs.pooled  # [n, e], [n, w], [n, w] the user's sequence
    x = linear(torch.cat([u, s, v], 1), mlp["kernel1"].T, mlp["bias1"])  # [n, e + 2w] to [n, l1]
    if PRODUCTS in mlp:
        products = torch.cat([s * v, u * v[:, : u.shape[1]], inputs.newest * v], 1)  # [n, 2w + e]
        x = torch.addmm(x, products, mlp[PRODUCTS])  # [n, l1]
    x = relu(linear(relu(x), mlp["kernel2"].T, mlp["bias2"]))  # [n, l2]
    return linear(x, mlp["kernel3"].T, mlp["bias3"])[:, 0]  # [n] eq. 10


def calibrated(logit: Tensor, activity: Tensor, net: Mapping[str, Tensor]) -> Tensor:
    """[n] the logits [n] and what a small net makes of them and of activity [n, 6], added."""
    kernel1, bias1, kernel2, bias2 = (
        net[f"{CALIBRATOR}{name}"] for name in ("kernel1", "bias1", "kernel2", "bias2")
    )
    x = relu(linear(torch.cat([activity, logit[:, None]], 1), kernel1.T, bias1))  # [n, units]
    return logit + linear(x, kernel2.T, bias2)[:, 0]


def factorised(tables: Mapping[str, Tensor], mlp: Mapping[str, Tensor], batch: Batch) -> Tensor:
    """[n] u·v + b_u + b_v + b: matrix factorisation, in whose rows the bias comes last.

    As in SML but for b, which trained biases could take in; histories and categories are not read.
    """
    user = embedding(batch.user, tables["user"])  # [n, e + 1]
    item = embedding(batch.item, embedding(batch.item_row, tables["item"]))  # [n, e + 1]
    return (user[:, :-1] * item[:, :-1]).sum(1) + user[:, -1] + item[:, -1] + mlp["bias"]


def loss_of(logits: Tensor, label: Tensor) -> Tensor:
    """Mean log loss, a scalar (eq. 11)."""
    return binary_cross_entropy_with_logits(logits, label.to(logits.dtype))


def layers(embedding_width: int, with_categories: bool) -> tuple[int, int, int, int]:
    """Units from input to logit: 24-12-6-1 without categories and 40-20-10-1 with, at width 8."""
    entry = embedding_width * (5 if with_categories else 3)
    return entry, entry // 2, entry // 4, 1


def initial_mlp(settings: TrainerSettings, seed: int, with_categories: bool) -> dict[str, Tensor]:
    """Kernels, Glorot-uniform by their own fans; biases zero, or alike (one of n units: n in, n out).

    Of matrix factorisation the bias alone, zero; a base of one's own makes its tensors itself.
    """
    if settings.strategy == FACTORISED:
        return {"bias": torch.zeros(1)}
    own = own_base(settings, with_categories)
    mlp = {} if own is None else own.dense(seed)
    shapes = {} if own is not None else _mlp_shapes(settings, with_categories)
    if settings.strategy == "iu-activity":
        shapes |= {
            "activity_kernel1": (2 * len(INACTIVE), ACTIVITY_UNITS),
            "activity_bias1": (ACTIVITY_UNITS,),
        }
    for name, shape in shapes.items():
        if len(shape) == 1 and settings.init_biases == "zero":
            mlp[name] = torch.zeros(shape)
            continue
        limit = float(np.sqrt(6.0 / (shape[0] + shape[-1])))
        mlp[name] = torch.from_numpy(
            uniform(seed, id_hashes("initial:mlp", [name]), int(np.prod(shape)), limit).reshape(shape)
        )
    if settings.strategy == "iu-activity":
        mlp["activity_kernel2"] = torch.zeros(ACTIVITY_UNITS, 1)  # at first it adds nothing
    return mlp


def _mlp_shapes(settings: TrainerSettings, with_categories: bool) -> dict[str, tuple[int, ...]]:
    units = layers(settings.embedding, with_categories)
    shapes: dict[str, tuple[int, ...]] = {}
    for layer, (fan_in, fan_out) in enumerate(pairwise(units), start=1):
        shapes |= {f"kernel{layer}": (fan_in, fan_out), f"bias{layer}": (fan_out,)}
    if settings.products:
        shapes[PRODUCTS] = (units[0], units[1])
    return shapes


def initial_table(
    settings: TrainerSettings,
    seed: int,
    table: str,
    names: list[str],
    buckets: int | None,
    width: int | None = None,
) -> Tensor:
    """[len(names), width] the vectors that rows of a table start from; names as in `Vocabulary.row_names`."""
    return torch.from_numpy(initial_rows(settings, seed, table, names, buckets, width))


def with_slot(vectors: Tensor, width: int) -> Tensor:
    """[rows, width] the vectors with zeros in the bias slot, if the width leaves room for one."""
    return torch.nn.functional.pad(vectors, (0, width - vectors.shape[1]))


def grown(theta: Theta, columns: Mapping[str, Vocabulary], settings: TrainerSettings, seed: int) -> Theta:
    """Θ with a row, at its initial vector, for every id its tables lack; the rows it has stay as they are."""
    tables = dict(theta.tables)
    for name, column in columns.items():
        table = tables[name]
        if len(column) > len(table):
            names, width = column.row_names(len(table)), None if theta.own is None else theta.own.tables[name]
            new = with_slot(initial_table(settings, seed, name, names, column.buckets, width), table.shape[1])
            tables[name] = torch.cat([table, new.to(table.device)])
    return replace(theta, tables=tables)


def table_width(settings: TrainerSettings) -> int:
    """Columns of every table of a built-in model: matrix factorisation has one more, its biases."""
    return settings.embedding + (settings.strategy == FACTORISED)


def initial_theta(columns: Mapping[str, Vocabulary], settings: TrainerSettings, seed: int) -> Theta:
    """Θ_0 over the rows the columns have."""
    own = own_base(settings, "category" in columns)
    widths = dict.fromkeys(columns, table_width(settings)) if own is None else own.tables
    empty = {name: torch.zeros(0, widths[name]) for name in columns}
    theta = Theta(empty, initial_mlp(settings, seed, "category" in columns), own)
    return grown(theta, columns, settings, seed)

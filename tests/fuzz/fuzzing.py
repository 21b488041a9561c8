"""Inputs that nobody would send on purpose, and how long they are tried: `FUZZ` seconds over all targets."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

#: Targets: what decodes, and the API's routes.
TARGETS = 26
#: Seconds that each has, of `FUZZ` for all together; 0: the few examples of a usual test run.
PART = float(os.environ.get("FUZZ", "0")) / TARGETS
#: Examples of a target in a usual test run.
EXAMPLES = 150

#: What programs trip over.
NUMBERS = [0, 1, -1, 127, -128, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63), 2**64, -(2**200), 10**400]
TEXTS = ["", "\x00", "\ud800", "é😀", "x" * 600, "[" * 300, "9" * 400, "null", "../..", "a\nb"]


def fuzzed(
    *values: SearchStrategy[Any], examples: int = EXAMPLES
) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Has pytest try a test on so many values, or on ever new ones until its time is over."""

    def of(test: Callable[..., None]) -> Callable[[], None]:
        tried = settings(
            max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
        )(given(*values)(test))

        def run() -> None:
            for_its_part(tried)

        run.__name__, run.__module__, run.__doc__ = test.__name__, test.__module__, test.__doc__
        return run

    return of


def for_its_part(tried: Callable[[], None]) -> None:
    """Try it once, then again and again until a target's time is over."""
    end = time.monotonic() + PART
    tried()
    while time.monotonic() < end:
        tried()


def spoiled(*valid: bytes) -> SearchStrategy[bytes]:
    """Bytes of any kind, and valid ones that were changed in up to four places."""
    return st.one_of(st.binary(max_size=200), st.sampled_from(valid), _changed(valid))


@st.composite
def _changed(draw: st.DrawFn, valid: Sequence[bytes]) -> bytes:
    told = bytearray(draw(st.sampled_from(valid)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(told) - 1)))
        length = draw(st.integers(1, 16))
        match draw(st.integers(0, 5)):
            case 0:
                told[place : place + 1] = bytes([draw(st.integers(0, 255))])
            case 1:
                del told[place : place + length]
            case 2:
                told[place:place] = draw(st.binary(min_size=1, max_size=16))
            case 3:
                del told[place:]
            case 4:
                told[place:place] = told[place : place + length] * draw(st.integers(1, 50))
            case 5:
                width = draw(st.sampled_from([1, 2, 4, 8]))
                extreme = draw(st.sampled_from([b"\x00", b"\xff", b"\x7f", b"\x80"]))
                told[place : place + width] = extreme * width
    return bytes(told)


#: JSON of any form.
ANY_JSON: SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.floats(), st.sampled_from(NUMBERS), st.sampled_from(TEXTS), st.text()
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(["a", *TEXTS]), inner, max_size=4)
    ),
    max_leaves=8,
)


@st.composite
def spoiled_json(draw: st.DrawFn, *valid: Mapping[str, Any]) -> bytes:
    """Valid JSON with other values in some of its places, or with depths nobody follows."""
    told: Any = json.loads(json.dumps(draw(st.sampled_from(valid))))
    for _ in range(draw(st.integers(1, 3))):
        _replace(draw, told)
    encoded = json.dumps(told).encode()
    if draw(st.integers(0, 9)) == 0:
        deep = draw(st.sampled_from([b"[", b'{"a":'])) * draw(st.sampled_from([50, 190, 390, 1_000, 60_000]))
        place = draw(st.integers(0, len(encoded)))
        encoded = encoded.replace(b"null", deep, 1) if b"null" in encoded else encoded[:place] + deep
    return encoded


def _replace(draw: st.DrawFn, told: Any) -> None:
    """Another value in one place of an object or a list."""
    while True:
        keys = list(told) if isinstance(told, dict) else list(range(len(told)))
        if not keys:
            return
        key = draw(st.sampled_from(keys))
        inner = told[key]
        if isinstance(inner, dict | list) and inner and draw(st.booleans()):
            told = inner
            continue
        if isinstance(told, dict) and draw(st.integers(0, 4)) == 0:
            del told[key]
        else:
            told[key] = draw(ANY_JSON)
        return


#: Columns of any type, of so many rows.
def _column(draw: st.DrawFn, rows: int) -> pa.Array:
    kind = draw(
        st.sampled_from(
            [
                pa.int64(), pa.int32(), pa.float32(), pa.string(), pa.binary(), pa.list_(pa.string()),
                pa.list_(pa.int32()), pa.list_(pa.float32(), 4), pa.null(), pa.bool_(),
                pa.dictionary(pa.int32(), pa.string()), pa.struct([pa.field("a", pa.int8())]),
            ]
        )
    )  # fmt: skip
    return pa.nulls(rows, kind)


@st.composite
def spoiled_table(draw: st.DrawFn, *valid: pa.Table) -> pa.Table:
    """A valid table with rows repeated, cut or put in chunks, and columns emptied, exchanged or left out."""
    table = draw(st.sampled_from(valid))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, max(0, table.num_columns - 1)))
        match draw(st.integers(0, 7)):
            case 0:
                table = table.slice(draw(st.integers(0, 3)), draw(st.integers(0, 4)))
            case 1:
                table = pa.concat_tables([table, table.slice(draw(st.integers(0, 2)))])
            case _ if not table.num_columns:
                pass
            case 2:
                table = table.remove_column(place)
            case 3:
                field = table.field(place)
                table = table.set_column(place, field, _emptied(draw, table.column(place)))
            case 4:
                field = table.field(place)
                table = table.set_column(place, field, _extreme(draw, table.column(place)))
            case 5:
                name = table.column_names[place]
                table = table.set_column(place, name, _column(draw, table.num_rows))
            case 6:
                table = table.rename_columns(
                    [draw(st.sampled_from(["a", *table.column_names])) for _ in table.column_names]
                )
            case 7:
                table = table.append_column(table.field(place), table.column(place))
    return table


def _emptied(draw: st.DrawFn, column: pa.ChunkedArray) -> pa.Array:
    """The column with nothing in some rows, whatever its field says."""
    values = column.to_pylist()
    kept = [draw(st.booleans()) for _ in values]
    return pa.array([one if keep else None for one, keep in zip(values, kept, strict=True)], column.type)


def _extreme(draw: st.DrawFn, column: pa.ChunkedArray) -> pa.Array:
    """The column with numbers and texts nobody expects."""
    kind, rows = column.type, len(column)
    if pa.types.is_integer(kind):
        limits = np.iinfo(kind.to_pandas_dtype())
        some = [limits.min, limits.max, 0, 1, 7]
    elif pa.types.is_floating(kind):
        some = [float("nan"), float("inf"), -3e38, 0.0]
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        some = [*(one for one in TEXTS if one != "\ud800"), '{"a":1}', "{}", "[]"]
    else:
        return column.combine_chunks()
    return pa.array([draw(st.sampled_from(some)) for _ in range(rows)], kind)

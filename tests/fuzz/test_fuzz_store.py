"""Whatever lies in the store under a name: the part, a use of it that holds, or an error of ours."""

from __future__ import annotations

import atexit
import contextlib
import shutil
import tempfile
from pathlib import Path

import pyarrow as pa
from fuzzing import fuzzed, spoiled, spoiled_table
from hypothesis import strategies as st
from live import model_parts, opened
from test_fuzz_samples import use
from valid import ARCHIVED, state_log

from stream.archive.rows import samples_of
from stream.errors import AsmgError, CorruptArtefact
from stream.settings import StreamSettings
from stream.store import ParquetStore
from stream.window.checkpoint import pasts_table, rest_table, restore
from stream.window.log import Log
from stream.window.partition import Partition

#: A store of parts, some of whose files are spoiled.
_FOLDER = Path(tempfile.mkdtemp(prefix="asmg-fuzz-"))
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
_STORE = ParquetStore(_FOLDER)
_TABLE = ARCHIVED.slice(0, 3)
_NAME = _STORE.put(_TABLE)
_FILE = _STORE.folder / _NAME[:2] / f"{_NAME}.parquet"
_BYTES = _FILE.read_bytes()

_STREAM = StreamSettings(period_count=9)


def _state() -> Partition:
    values = state_log()
    numbers = list(range(len(values)))
    state = Partition(_STREAM)
    state.step(Log(list(values), numbers, [10**13] * len(values), [None, b"s", None], [-1, 4, -1]))
    return state


@fuzzed(spoiled(_BYTES))
def test_a_file_of_any_bytes_is_the_part_or_corrupt(content: bytes) -> None:
    _FILE.write_bytes(content)
    with contextlib.suppress(CorruptArtefact):
        assert _STORE.get(_NAME).equals(_TABLE)


@fuzzed(spoiled_table(ARCHIVED))
def test_an_archived_period_of_any_rows_is_samples_or_corrupt(table: pa.Table) -> None:
    try:
        found = samples_of(table)
    except CorruptArtefact:
        return
    assert len(found) == len(table)
    use(found)


_STATE = _state()
_PASTS, _REST = pasts_table(_STATE), rest_table(_STATE, 0, 3)


@fuzzed(spoiled_table(_PASTS), spoiled_table(_REST))
def test_a_checkpoint_of_any_tables_is_a_state_or_corrupt(pasts: pa.Table, rest: pa.Table) -> None:
    try:
        state = restore(_STREAM, [_PASTS, pasts], rest, 0, 3)
    except CorruptArtefact:
        return
    rest_table(state, 0, 3)


_PARTS = model_parts()


@fuzzed(st.sampled_from(sorted(_PARTS)), st.data(), examples=60)
def test_a_model_of_any_parts_answers_or_is_refused(role: str, data: st.DataObject) -> None:
    parts = {**_PARTS, role: data.draw(spoiled_table(_PARTS[role]))}
    try:
        model = opened(parts)
    except AsmgError:
        return
    model.score("u1", ("i1",), ["i1", "new"])

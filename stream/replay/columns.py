"""Columns out of a CSV or Parquet file, and for what is wrong in one the file, line and field."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from stream.errors import DataError

#: The longest id, in bytes of UTF-8.
ID_BYTES = 256

#: How much of a CSV file is parsed at a time, in bytes.
_BLOCK = 8 << 20

#: From this magnitude on an integer time is in ms: as seconds it would be the year 5138, as ms it is 1973.
_MILLISECONDS = 10**11
#: From this magnitude on it is in neither.
_TOO_FINE = 10**14

#: A value quoted in an error message is cut to this many characters.
_QUOTED = 40


@dataclass(frozen=True)
class Columns:
    """The wanted columns of one file; its methods make arrays of them or say which line is wrong."""

    path: Path
    table: pa.Table  # CSV: strings only; Parquet: as the file has them

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def has(self, field: str) -> bool:
        """Whether the file has the column."""
        return field in self.table.column_names

    def wrong(self, row: int, field: str, problem: str) -> DataError:
        """The error that names the place of the row (from 0), the field and what is wrong with it."""
        return DataError(f"{_place(self.path, row)}: {field} {problem}; mend the line or take it out")

    def ids(self, field: str) -> pa.DictionaryArray:
        """The column as ids: strings of 1 to 256 bytes; an integer is its decimal digits.

        Raises: DataError: a column of another type; an id that is missing, empty or too long.
        """
        column = self._text(field, "ids are strings or integers")
        coded = column.dictionary_encode()
        length = pc.binary_length(coded.dictionary).to_numpy()
        for wrong, problem in (
            (length == 0, "is empty"),
            (length > ID_BYTES, f"is longer than {ID_BYTES} bytes"),
        ):
            if np.any(wrong):
                raise self.wrong(int(np.argmax(wrong[coded.indices.to_numpy()])), field, problem)
        return coded

    def categories(self, field: str) -> pa.StringArray | pa.ListArray:
        """The column as strings such as `a|b`, or as the lists of strings a Parquet file may hold."""
        column = self.table[field]
        if pa.types.is_list(column.type) and pa.types.is_string(column.type.value_type):
            return column.combine_chunks()
        if column.null_count:
            column = pc.fill_null(column, pa.scalar("", column.type)) if _is_text(column.type) else column
        return self._text(field, "categories are strings, separated by |, or lists of strings", column)

    def whole_numbers(self, field: str) -> npt.NDArray[np.int64]:
        """The column as int64. Raises: DataError: a value that is no whole number."""
        column = self._present(field)
        array = self._cast(field, column, lambda part: part.cast(pa.int64()), "is not a whole number")
        return np.asarray(array.to_numpy(), np.int64)

    def decimals(self, field: str) -> npt.NDArray[np.float64]:
        """The column as float64. Raises: DataError: a value that is no number."""
        array = self._cast(
            field, self._present(field), lambda part: part.cast(pa.float64()), "is not a number"
        )
        values = np.asarray(array.to_numpy(), np.float64)
        if not np.all(np.isfinite(values)):
            raise self.wrong(int(np.argmin(np.isfinite(values))), field, "is not a finite number")
        return values

    def labels(self, field: str) -> npt.NDArray[np.bool_]:
        """The column as clicked or not. Raises: DataError: a value other than 0 and 1."""
        column = self._present(field)
        if pa.types.is_boolean(column.type):
            return np.asarray(column.to_numpy(), np.bool_)
        values = self.decimals(field)
        wrong = (values != 0) & (values != 1)
        if np.any(wrong):
            row = int(np.argmax(wrong))
            raise self.wrong(row, field, f"{_quoted(column, row)} is neither 0 nor 1")
        return np.asarray(values == 1)

    def times(self, field: str) -> npt.NDArray[np.int64]:
        """The column as ms since 1970: from seconds or ms, told apart by size, or from ISO-8601 times.

        An ISO-8601 time without an offset is in UTC. Raises: DataError: a value that is none of these.
        """
        column = self._present(field)
        problem = "is not a number or an ISO-8601 time"
        if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
            return _milliseconds(column)
        if _is_text(column.type) and len(column) and re.match(r"\s*\d{4}-", column[0].as_py()):
            array = self._cast(field, column, _instants, problem)
            return _milliseconds(array)
        try:
            numbers = np.asarray(column.cast(pa.int64()).to_numpy(), np.int64)
        except pa.ArrowInvalid:
            array = self._cast(field, column, lambda part: part.cast(pa.float64()), problem)
            numbers = np.asarray(array.to_numpy(), np.float64)
        if not np.all(np.isfinite(numbers)):
            row = int(np.argmin(np.isfinite(numbers)))
            raise self.wrong(row, field, f"{_quoted(column, row)} {problem}")
        largest = int(np.argmax(np.abs(numbers))) if len(numbers) else 0
        if len(numbers) and abs(numbers[largest]) >= _TOO_FINE:
            raise self.wrong(
                largest, field, f"{_quoted(column, largest)} is in neither seconds nor ms since 1970"
            )
        if len(numbers) and abs(numbers[largest]) >= _MILLISECONDS:
            return np.round(numbers).astype(np.int64)
        return np.round(numbers * 1000).astype(np.int64)

    def _present(self, field: str) -> pa.ChunkedArray:
        column = self.table[field]
        if column.null_count:
            raise self.wrong(int(pc.index(pc.is_null(column), True).as_py()), field, "is missing")
        return column

    def _text(self, field: str, expected: str, column: pa.ChunkedArray | None = None) -> pa.StringArray:
        column = self._present(field) if column is None else column
        if not (_is_text(column.type) or pa.types.is_integer(column.type)):
            raise DataError(f"{self.path.name}: {field} is of type {column.type}; {expected}")
        return pa.chunked_array(column.cast(pa.string())).combine_chunks()

    def _cast(
        self, field: str, column: pa.ChunkedArray, cast: Callable[[pa.ChunkedArray], pa.Array], problem: str
    ) -> pa.Array:
        """`cast(column)`; where it fails, the first row that it fails on, found by halving."""
        try:
            return cast(column)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            first, last = 0, len(column)
            while last - first > 1:
                middle = (first + last) // 2
                try:
                    cast(column.slice(first, middle - first))
                    first = middle
                except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                    last = middle
        raise self.wrong(first, field, f"{_quoted(column, first)} {problem}")


def header(path: Path) -> list[str]:
    """The names of the columns of a CSV (its first line) or Parquet file.

    Raises: DataError: the file is missing, empty or unreadable.
    """
    if path.suffix == ".parquet":
        try:
            return list(pq.read_schema(path).names)
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(path, error) from error
    try:
        with _open(path) as file:
            line = file.readline().decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error
    if not line.strip():
        raise DataError(f"{path.name}: is empty; its first line should name the columns")
    return next(csv.reader(io.StringIO(line)))


def read(path: Path, required: Sequence[str], optional: Sequence[str] = ()) -> Columns:
    """These columns of a CSV, gzipped CSV or Parquet file.

    Raises: DataError: the file is missing or unreadable, lacks a required column or has a malformed line.
    """
    names = header(path)
    for name in required:
        if name not in names:
            raise DataError(f"{path.name}: has no column '{name}'; it has {', '.join(names)}")
    wanted = [*required, *(name for name in optional if name in names)]
    for name in wanted:
        if names.count(name) > 1:
            raise DataError(f"{path.name}: has {names.count(name)} columns '{name}'; rename all but one")
    try:
        if path.suffix == ".parquet":
            return Columns(path, pq.read_table(path, columns=wanted))
        return Columns(path, _read_csv(path, wanted, threads=True))
    except pa.ArrowInvalid as error:
        raise _malformed(path, wanted, error) from error
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error


def _read_csv(path: Path, wanted: Sequence[str], *, threads: bool) -> pa.Table:
    return pacsv.read_csv(
        path,
        read_options=pacsv.ReadOptions(block_size=_BLOCK, use_threads=threads),
        convert_options=pacsv.ConvertOptions(
            include_columns=list(wanted),
            column_types=dict.fromkeys(wanted, pa.string()),
            strings_can_be_null=False,
        ),
    )


def _instants(column: pa.ChunkedArray) -> pa.Array:
    """ISO-8601 strings as instants; those that name no offset are in UTC."""
    zoned = pc.match_substring_regex(column, r"T.*(Z|[+-]\d\d:?\d\d)$| .*(Z|[+-]\d\d:?\d\d)$")
    with_offset = pc.if_else(zoned, column, pa.scalar(None, pa.string())).cast(pa.timestamp("ms", "UTC"))
    without = pc.if_else(zoned, pa.scalar(None, pa.string()), column).cast(pa.timestamp("ms"))
    return pc.coalesce(with_offset.cast(pa.int64()), without.cast(pa.int64()))


def _milliseconds(column: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int64]:
    if not pa.types.is_integer(column.type):
        column = column.cast(pa.timestamp("ms", getattr(column.type, "tz", None)), safe=False).cast(
            pa.int64()
        )
    return np.asarray(column.to_numpy(), np.int64)


def _is_text(kind: pa.DataType) -> bool:
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner))


def _quoted(column: pa.ChunkedArray, row: int) -> str:
    value = str(column[row].as_py())
    return f"'{value if len(value) <= _QUOTED else value[:_QUOTED] + '…'}'"


def _open(path: Path) -> io.BufferedReader:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _place(path: Path, row: int) -> str:
    """`clicks.csv:1042` for data row 1040: lines count from 1, the header is one, empty ones count too."""
    if path.suffix == ".parquet":
        return f"{path.name}, row {row + 1}"
    with _open(path) as file:
        left = row + 1  # the header
        for number, line in enumerate(file, 1):
            if line.strip(b"\r\n"):
                if left == 0:
                    return f"{path.name}:{number}"
                left -= 1
    return f"{path.name}, row {row + 1}"


def _malformed(path: Path, wanted: Sequence[str], error: pa.ArrowInvalid) -> DataError:
    """Why Arrow could not take the file apart; its parallel reader does not say where, its other one does."""
    if path.suffix == ".parquet":
        return _unreadable(path, error)
    try:
        with _open(path) as file:
            for number, line in enumerate(file, 1):
                try:
                    line.decode()
                except UnicodeDecodeError:
                    return DataError(f"{path.name}:{number}: is not UTF-8; save the file as UTF-8")
    except (OSError, EOFError, zlib.error) as unreadable:
        return _unreadable(path, unreadable)
    try:
        _read_csv(path, wanted, threads=False)
    except pa.ArrowInvalid as located:
        found = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", str(located))
        if found:
            row, expected, got = (int(group) for group in found.groups())
            return DataError(
                f"{_place(path, row - 2)}: has {got} fields where the header has {expected}; "
                "mend the line or take it out"
            )
    return _unreadable(path, error)


def _unreadable(path: Path, error: BaseException) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path}: there is no such file")
    reason = (getattr(error, "strerror", None) or str(error)).splitlines()[0]
    whole = "; is it complete?" if path.suffix in (".gz", ".parquet") else ""
    return DataError(f"{path.name}: cannot be read: {reason}{whole}")

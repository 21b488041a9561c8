"""A model's parts in one piece of memory that several processes map: written once, read without a copy.

The memory has no name: it is handed on as a file descriptor, and is gone when the last process that maps it
lets go, however that process ends. To give it back takes 2 ms for 10 MB of whoever is last, so who answers
lets go first, bit by bit.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from types import TracebackType

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stream.niceness import rest

#: Bytes between two rests of who maps memory, or lets go of it: 0.2 to 0.4 ms.
_STEP = 1024 * mmap.PAGESIZE
#: Bytes at whose multiples parts begin.
_ALIGNED = 64


class Span(msgspec.Struct, frozen=True):
    """Where one part lies: an Arrow file of `length` bytes."""

    role: str
    offset: int
    length: int


class Bundle:
    """Parts laid out in memory. The descriptor is closed at the context's end, or when nobody has the bundle
    any more; what is mapped stays."""

    def __init__(self, parts: Mapping[str, pa.Table]) -> None:
        self.fd = _memory()
        self._close = weakref.finalize(self, os.close, self.fd)
        self.spans: list[Span] = []
        try:
            with open(self.fd, "wb", closefd=False) as file:
                for role, table in parts.items():
                    offset = -(-file.tell() // _ALIGNED) * _ALIGNED
                    file.seek(offset)
                    with pa.ipc.new_file(pa.PythonFile(file, "w"), table.schema) as writer:
                        writer.write_table(table)
                    self.spans.append(Span(role, offset, file.tell() - offset))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Bundle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the descriptor go; what is mapped stays."""
        self._close()

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return os.fstat(self.fd).st_size


class Mapped:
    """The parts of a bundle, mapped bit by bit: no request waits for a page, or long for who maps them.

    What is read of them keeps the memory; the descriptor may be closed.
    """

    def __init__(self, fd: int, spans: Sequence[Span]) -> None:
        self._memory = mmap.mmap(fd, 0, access=mmap.ACCESS_READ)
        self._touch()
        whole = pa.py_buffer(self._memory)
        self._base = whole.address
        self.parts = dict[str, pa.Table]()
        for span in spans:
            self.parts[span.role] = pa.ipc.open_file(whole.slice(span.offset, span.length)).read_all()
            rest()

    def numbers(self, values: pa.Array) -> npt.NDArray[np.generic]:
        """A column's numbers, [rows] or of a list of fixed size [rows, width], as numpy sees the memory."""
        shape: tuple[int, ...] = (len(values),)
        if pa.types.is_fixed_size_list(values.type):
            shape += (values.type.list_size,)
            values = values.flatten()
        kind = np.dtype(values.type.to_pandas_dtype())
        if not len(values):
            return np.zeros(shape, kind)
        place = values.buffers()[1].address + values.offset * kind.itemsize - self._base
        return np.frombuffer(self._memory, kind, len(values), place).reshape(shape)

    def unmap(self) -> None:
        """Let the pages go, bit by bit, so that who drops the last number of them has nothing to do.

        Who reads on sees the same numbers, and has their pages mapped again.
        """
        for begin in range(0, len(self._memory), _STEP):
            length = min(_STEP, len(self._memory) - begin)
            self._memory.madvise(mmap.MADV_DONTNEED, begin, length)
            rest()

    def _touch(self) -> None:
        pages = np.frombuffer(self._memory, np.uint8)[:: mmap.PAGESIZE]
        step = _STEP // mmap.PAGESIZE
        for begin in range(0, len(pages), step):
            np.maximum.reduce(pages[begin : begin + step])  # without the interpreter's lock
            rest()


def _memory() -> int:
    """A file without a name, in memory where the system has such files."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("asmg-model")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())

"""Where a record says from which row of which source it is."""

import pytest

from stream.window.worker import Headers, _numbered

SCHEMA = ("schema", b"1")
OURS: Headers = [("source", b"s"), ("row", b"7"), SCHEMA]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ([], (None, None)),
        ([SCHEMA], (None, None)),
        ([("row", b"8"), ("source", b"t"), SCHEMA], (b"t", b"8")),
        ([("source", b"t"), ("row", b"8")], (b"t", b"8")),
        ([("trace", b"x"), ("source", b"t"), ("row", b"8")], (b"t", b"8")),
        ([("source", b"t"), SCHEMA, SCHEMA], (b"t", None)),
        ([("row", b"8"), ("row", b"9"), SCHEMA], (None, b"9")),
        ([("source", None), ("row", None), SCHEMA], (None, None)),
    ],
)
def test_headers_in_any_order_and_number_tell_it(
    other: Headers, told: tuple[bytes | None, bytes | None]
) -> None:
    assert _numbered([OURS, other]) == [(b"s", b"7"), told]
    assert _numbered([OURS]) == [(b"s", b"7")]
    assert _numbered([]) == []

"""What `POST /rank` takes: its JSON read, checked and brought to one form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

#: Characters an id may have.
ID_LENGTH = 256
#: Items answered with where a request does not say how many.
DEFAULT_K = 10

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=ID_LENGTH)] | int


class BadRequest(Exception):
    """A request that cannot be answered: an HTTP status, and one line that says why."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status


@dataclass(frozen=True)
class Ranking:
    """A request to rank. Ids are strings; an integer was its decimal digits."""

    user: str
    candidates: list[str]  # each once, in the request's order
    k: int  # the best k are asked for
    categories: dict[str, list[str]]  # by item, where the request names any
    log: bool  # whether what is answered counts as shown


class _Candidate(msgspec.Struct):
    item_id: Id
    categories: list[Id] = []


class _Body(msgspec.Struct):
    user_id: Id
    candidates: list[Id | _Candidate]
    k: Annotated[int, msgspec.Meta(ge=1)] = DEFAULT_K
    categories: dict[str, list[Id]] = {}
    log: bool = False


_decoder = msgspec.json.Decoder(_Body)


def read_ranking(body: bytes, max_candidates: int) -> Ranking:
    """The request in these bytes.

    Raises: BadRequest: no JSON, a field is missing or has another type, no candidates or too many.
    """
    try:
        asked = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise BadRequest(422, _readable(str(error))) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(400, f"the body is no JSON: {error}") from error
    if not asked.candidates:
        raise BadRequest(422, "candidates is empty: name at least one item to rank")
    if len(asked.candidates) > max_candidates:
        raise BadRequest(
            422,
            f"{len(asked.candidates):,} candidates are more than the {max_candidates:,} that one request may "
            "name (setting serving.max_candidates)",
        )
    categories = {item: _texts(each) for item, each in asked.categories.items() if each}
    plain: list[str] = []
    for one in asked.candidates:
        if isinstance(one, str):
            plain.append(one)
        elif isinstance(one, int):
            plain.append(str(one))
        else:
            plain.append(item := str(one.item_id))
            if one.categories:
                categories[item] = _texts(one.categories)
    return Ranking(str(asked.user_id), list(dict.fromkeys(plain)), asked.k, categories, asked.log)


def body_schema() -> dict[str, Any]:
    """JSON schema of the body, for the API's own description."""
    return msgspec.json.schema(_Body, ref_template="#/components/schemas/{name}")


def _texts(ids: list[str | int]) -> list[str]:
    return list(map(str, ids))


def _readable(said: str) -> str:
    """msgspec's line with the place first: `candidates[0]: expected str, got bool`."""
    what, _, place = said.partition(" - at ")
    what = what.replace("`", "").replace("object", "an object")
    what = what[0].lower() + what[1:]
    return f"{place.strip('`').removeprefix('$.')}: {what}" if place else f"the body: {what}"

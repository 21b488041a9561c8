"""What requests may say: their JSON read, checked and brought to one form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec

from stream.records import Int
from stream.window.log import MOST_CATEGORIES

#: Characters an id may have.
ID_LENGTH = 256
#: Items answered with where a request does not say how many.
DEFAULT_K = 10

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=ID_LENGTH)] | Int
Count = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Categories = Annotated[list[Id], msgspec.Meta(max_length=MOST_CATEGORIES)]


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
    explain: bool  # whether Θ and Θ* are asked for side by side


@dataclass(frozen=True)
class Pairs:
    """A request to score: pair i is users[i], items[i]."""

    users: Sequence[str]
    items: Sequence[str]
    categories: dict[str, list[str]]


@dataclass(frozen=True)
class Search:
    """A request for the best of the whole catalogue."""

    user: str
    k: int
    categories: list[str] | None  # only items that have one of these
    log: bool


class _Candidate(msgspec.Struct):
    item_id: Id
    categories: Categories = []


class RankBody(msgspec.Struct):
    """Of `POST /rank`."""

    user_id: Id
    candidates: list[Id | _Candidate]
    k: Count = DEFAULT_K
    categories: dict[str, Categories] = {}
    log: bool = False
    explain: bool = False


class _Pair(msgspec.Struct):
    user_id: Id
    item_id: Id


class ScoreBody(msgspec.Struct):
    """Of `POST /score`."""

    pairs: list[_Pair]
    categories: dict[str, Categories] = {}


class RecommendBody(msgspec.Struct):
    """Of `POST /recommend`."""

    user_id: Id
    k: Count = DEFAULT_K
    categories: list[Id] | None = None
    log: bool = False


Body = TypeVar("Body")

_rank = msgspec.json.Decoder(RankBody)
_score = msgspec.json.Decoder(ScoreBody)
_recommend = msgspec.json.Decoder(RecommendBody)


def read_ranking(body: bytes, max_candidates: int) -> Ranking:
    """The request in these bytes.

    Raises: BadRequest: no JSON, a field is missing or has another type, no candidates or too many.
    """
    asked = decoded(_rank, body)
    if not asked.candidates:
        raise BadRequest(422, "candidates is empty: name at least one item to rank")
    require_few(len(asked.candidates), "candidates", max_candidates)
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
    return Ranking(
        str(asked.user_id), list(dict.fromkeys(plain)), asked.k, categories, asked.log, asked.explain
    )


def read_pairs(body: bytes, max_pairs: int) -> Pairs:
    """The request in these bytes. Raises: BadRequest: as `read_ranking`."""
    asked = decoded(_score, body)
    if not asked.pairs:
        raise BadRequest(422, "pairs is empty: name at least one user and item to score")
    require_few(len(asked.pairs), "pairs", max_pairs)
    return Pairs(
        [str(one.user_id) for one in asked.pairs],
        [str(one.item_id) for one in asked.pairs],
        {item: _texts(each) for item, each in asked.categories.items() if each},
    )


def read_search(body: bytes, max_k: int) -> Search:
    """The request in these bytes. Raises: BadRequest: as `read_ranking`."""
    asked = decoded(_recommend, body)
    if asked.k > max_k:
        raise BadRequest(
            422,
            f"k: {asked.k:,} is more than the {max_k:,} items that one answer may have "
            "(setting serving.max_candidates)",
        )
    categories = None if asked.categories is None else _texts(asked.categories)
    return Search(str(asked.user_id), asked.k, categories, asked.log)


def decoded(decoder: msgspec.json.Decoder[Body], body: bytes) -> Body:
    """The body. Raises: BadRequest: it is no JSON, or not of this form."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise BadRequest(422, _readable(str(error))) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(400, f"the body is no JSON: {error}") from error


def require_few(count: int, what: str, most: int) -> None:
    """Raises: BadRequest: one request may not name so many."""
    if count > most:
        raise BadRequest(
            422,
            f"{count:,} {what} are more than the {most:,} that one request may name "
            "(setting serving.max_candidates)",
        )


def schema_of(kind: type) -> dict[str, Any]:
    """JSON schema of a body or an answer, whole, for the API's own description."""
    (whole,), parts = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    inlined: dict[str, Any] = _inlined(whole, parts)
    return inlined


def _inlined(schema: Any, parts: dict[str, Any]) -> Any:
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _inlined(parts[schema["$ref"].rpartition("/")[2]], parts)
        return {name: _inlined(one, parts) for name, one in schema.items()}
    return [_inlined(one, parts) for one in schema] if isinstance(schema, list) else schema


def _texts(ids: list[str | int]) -> list[str]:
    return list(map(str, ids))


def _readable(said: str) -> str:
    """msgspec's line with the place first: `candidates[0]: expected str, got bool`."""
    what, _, place = said.partition(" - at ")
    what = what.replace("`", "").replace("object", "an object")
    what = what[0].lower() + what[1:]
    return f"{place.strip('`').removeprefix('$.')}: {what}" if place else f"the body: {what}"

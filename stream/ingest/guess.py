"""A mapping proposed for foreign topics: by the names of fields, and by what lies there. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stream.ingest.fields import Field, fields, is_id, plain, unit_of, within
from stream.ingest.paths import finder
from stream.ingest.sample import Sample, Seen
from stream.settings import SourceSettings


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


#: Names under which our fields go elsewhere, the likeliest first.
_USER = _words(
    "userid user uid customerid customer visitorid visitor memberid member accountid account profileid "
    "personid subscriberid clientid buyerid shopperid deviceid sessionid session"
)
_ITEM = _words(
    "itemid item productid product sku productsku articleid article contentid content movieid movie videoid "
    "video trackid songid documentid docid listingid offerid adid asin postid courseid jobid resourceid id"
)
_IMPRESSION = _words("impressionid impression impid viewid view exposureid showid displayid")
_SLATE = _words(
    "slateid slate requestid request reqid queryid query searchid pageviewid pageid recommendationid recid "
    "responseid listid feedid renderid batchid"
)
_TIME = _words(
    "ts timestamp eventtime time eventtimestamp occurredat happenedat createdat at when datetime date "
    "shownat clickedat servertime clienttime sentat epoch"
)
_CATEGORIES = _words(
    "categories category categoryid categoryids tags tag genres genre topics topic department brand"
)
_KIND = _words("type eventtype event kind action eventname activity interaction name verb")
_ITEMS = _words(
    "items results products hits recommendations recs candidates slate list docs articles shown impressions"
)

#: Parts of words that say what a kind or a topic is; those of clicks count first ("page_click").
_CLICKS = _words("click tap select open chose choose pick play watch purchase")
_SHOWS = _words("impress view show display seen expos page search serve render list recommend")

#: A field that tells kinds has at most so many; two fields name the same if they share this part of values.
_KINDS, _SHARED = 30, 0.05


@dataclass
class _Guess:
    """A table in the making, of one kind of event in one topic."""

    topic: str
    kind: str
    found: dict[str, Field]  # of the records of that kind alone
    table: dict[str, Any]


def propose(samples: Sequence[Sample], formats: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    """By topic the tables of `[[ingest.sources]]` that fit; none for a topic that makes no sense."""
    guesses = [guess for one in samples for guess in _guesses(one, formats[one.topic])]
    _name_impressions(guesses)
    proposed: dict[str, list[dict[str, Any]]] = {one.topic: [] for one in samples}
    for guess in guesses:
        if _fits(guess.table):
            proposed[guess.topic].append(guess.table)
    for tables in proposed.values():
        _merge_alike(tables)
    return proposed


def toml(tables: Iterable[Mapping[str, Any]]) -> str:
    """The tables as they are pasted into asmg.toml."""
    parts = []
    for table in tables:
        lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in table.items()]
        parts.append("\n".join(["[[ingest.sources]]", *lines]))
    return "\n\n".join(parts)


def _guesses(sample: Sample, form: str) -> list[_Guess]:
    """A table for each kind of event in a topic; none where no user is found."""
    found = fields(sample.records)
    user = _named(found, _USER, lambda one: one.is_ids) or ("key" if "key" in found else None)
    if user is None:
        return []
    time, unit = _time(found)
    kinds = _kinds(found, {user, time})
    guesses = []
    for kind in _wanted(sample.topic, kinds, found):
        table: dict[str, Any] = {"topic": sample.topic}
        if form != "json":
            table["format"] = form
        mine = found
        if kinds is None:
            table["kind"] = kind
        else:
            table |= {"kind_field": kinds[0], f"{kind}_values": kinds[1][kind]}
            mine = fields(_of_kind(sample, kinds[0], kinds[1][kind]))
        table |= {"user": user, "time": time} | ({"time_unit": unit} if unit else {})
        if _name_item(table, mine, kind):
            guesses.append(_Guess(sample.topic, kind, mine, table))
    return guesses


def _of_kind(sample: Sample, path: str, values: Sequence[str]) -> list[Seen]:
    """The records in which the path holds one of the values."""
    find = finder(path)
    return [one for one in sample.records if not one.reason and str(find(one.record)) in values]


def _name_item(table: dict[str, Any], found: Mapping[str, Field], kind: str) -> bool:
    """Add the paths of item, its categories and the list it is in to the table; whether there is an item."""
    shown = _shown(found) if kind == "impression" else None
    inside = within(shown[1]) if shown else found
    taken = set() if shown else {table["user"], table["time"], table.get("kind_field", "")}
    item = _named(inside, _ITEM, lambda one: one.is_ids, taken) or ("." if "." in inside else None)
    if item is None:
        return False
    table |= ({"items": shown[0]} if shown else {}) | {"item": item}
    categories = _named(inside, _CATEGORIES, _categorical, {item, *taken})
    if categories is not None:
        table |= {"categories": categories} | _separator(inside[categories])
    return True


def _wanted(
    topic: str, kinds: tuple[str, dict[str, list[str]]] | None, found: Mapping[str, Field]
) -> list[str]:
    """The kinds of event that the topic has."""
    if kinds is not None:
        return [kind for kind in ("impression", "click") if kinds[1][kind]]
    kind = _kind_of(topic)
    if kind is None:
        slate = any(one.last in _ITEMS and one.share(_is_list) > 0.9 for one in found.values())
        kind = "impression" if slate else "click"
    return [kind]


def _kinds(found: Mapping[str, Field], taken: set[str]) -> tuple[str, dict[str, list[str]]] | None:
    """The path of what tells the kind, and the values that mean each."""
    for name in _KIND:
        for one in found.values():
            if name not in (one.name, one.last) or one.path in taken or len(one.distinct) > _KINDS:
                continue
            values: dict[str, list[str]] = {"impression": [], "click": []}
            for value in sorted(one.distinct):
                if (kind := _kind_of(value)) is not None:
                    values[kind].append(value)
            if any(values.values()):
                return one.path, values
    return None


def _kind_of(word: str) -> str | None:
    text = plain(word)
    if any(one in text for one in _CLICKS):
        return "click"
    return "impression" if any(one in text for one in _SHOWS) else None


def _shown(found: Mapping[str, Field]) -> tuple[str, list[Any]] | None:
    """The path of the list that a slate shows, and the lists."""
    for name in _ITEMS:
        for one in found.values():
            if name in (one.name, one.last):
                lists = [value for value in one.values if _is_list(value) and value]
                if len(lists) > 0.5 * len(one.values) and all(
                    is_id(e) or isinstance(e, dict) for e in lists[0]
                ):
                    return one.path, lists
    return None


def _time(found: Mapping[str, Field]) -> tuple[str, str | None]:
    """The path of the time and its unit; Kafka's own where there is none."""
    units = {path: unit for path, one in found.items() if (unit := unit_of(one)) is not None}
    path = _named({path: found[path] for path in units}, _TIME, lambda _: True)
    if path is None and units:
        path = max(units, key=lambda one: len(found[one].values))
    return ("kafka:timestamp", None) if path is None else (path, units[path])


def _named(
    found: Mapping[str, Field],
    names: Sequence[str],
    holds: Callable[[Field], bool],
    taken: Iterable[str] = (),
) -> str | None:
    """The path that is called like one of the names: as a whole, by its last name, or by its end."""
    usable = [one for path, one in found.items() if path not in taken and one.path != "key" and holds(one)]
    likenesses: tuple[Callable[[Field, str], bool], ...] = (
        lambda one, name: one.name == name,
        lambda one, name: one.last == name,
        lambda one, name: one.name.endswith(name) and len(name) > 3,
    )
    for alike in likenesses:
        for name in names:
            for one in usable:
                if alike(one, name):
                    return one.path
    return None


def _name_impressions(guesses: Sequence[_Guess]) -> None:
    """What names an impression in both kinds: the fields of both that share values, else those called so."""
    shows = [one for one in guesses if one.kind == "impression"]
    clicks = [one for one in guesses if one.kind == "click"]
    shared = _shared(shows, clicks) or ("", "")
    for one in shows:
        path = shared[0] if shared[0] in one.found else _id_named(one)
        if path is None:
            one.table["impression"] = one.table["item"]  # then one of an item counts per user and window
        else:
            one.table["slate" if "items" in one.table or _repeats(one.found[path]) else "impression"] = path
    slate = any("slate" in one.table for one in shows)
    for one in clicks:
        path = shared[1] if shared[1] in one.found else _id_named(one)
        if (
            path is None
            and shows
            and all(each.table.get("impression") == each.table["item"] for each in shows)
        ):
            path = one.table["item"]
        if path is not None:
            one.table["slate" if slate else "impression"] = path


def _shared(shows: Sequence[_Guess], clicks: Sequence[_Guess]) -> tuple[str, str] | None:
    """The paths of ids that impressions and clicks have in common, those with the most in common."""
    best, paths = _SHARED, None
    for one in shows:
        for other in clicks:
            for path, mine in _ids(one).items():
                for another, theirs in _ids(other).items():
                    share = len(mine.distinct & theirs.distinct) / max(1, len(theirs.distinct))
                    share += 0.01 * (mine.last in (*_IMPRESSION, *_SLATE)) + 0.001 * (path == another)
                    if share > best:
                        best, paths = share, (path, another)
    return paths


def _ids(guess: _Guess) -> dict[str, Field]:
    """The paths that may name impressions: ids of which there are many, and that are nothing else already."""
    table = guess.table
    used = {table.get(name) for name in ("user", "time", "categories", "items", "kind_field")} | {"key"}
    if "items" not in table:
        used.add(table["item"])
    return {path: one for path, one in guess.found.items() if path not in used and _may_name(one)}


def _may_name(one: Field) -> bool:
    """Whether it is called as an id of impressions is, or like nothing else of ours and no time."""
    if not one.is_ids or len(one.distinct) <= 0.05 * len(one.values):
        return False
    if {one.name, one.last} & {*_IMPRESSION, *_SLATE}:
        return True
    return not {one.name, one.last} & {*_USER, *_ITEM[:-1], *_TIME} and unit_of(one) is None


def _id_named(guess: _Guess) -> str | None:
    names = _SLATE if "items" in guess.table else [*_IMPRESSION, *_SLATE]
    return _named(_ids(guess), names, lambda _: True)


def _repeats(one: Field) -> bool:
    return len(one.distinct) < 0.9 * len(one.values)


def _merge_alike(tables: list[dict[str, Any]]) -> None:
    """Two tables that differ in nothing but the values of their kinds become one."""
    if len(tables) == 2:
        first, second = ({k: v for k, v in one.items() if not k.endswith("_values")} for one in tables)
        if first == second:
            tables[0] |= tables.pop()


def _categorical(one: Field) -> bool:
    return one.share(lambda value: _is_list(value) or isinstance(value, str) or is_id(value)) > 0.5


def _separator(one: Field) -> dict[str, str]:
    """What lies between categories where they are one text; nothing where that is the default."""
    texts = [value for value in one.values if isinstance(value, str)]
    for sign in ("|", ",", ";", ">", "/"):
        if sum(sign in text for text in texts) > 0.1 * len(texts):
            return {} if sign == "|" else {"separator": sign}
    return {}


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _fits(table: Mapping[str, Any]) -> bool:
    try:
        SourceSettings.model_validate(dict(table))
    except ValueError:
        return False
    return True

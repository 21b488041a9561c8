"""A foreign record as events of ours, as `[[ingest.sources]]` says. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from stream.ingest.paths import MISSING, Record, finder, inner
from stream.ingest.values import Unmappable, as_categories, as_id, as_text, quoted, time_reader
from stream.settings import SourceSettings
from stream.window.log import LONGEST_ID, Click, Impression

#: A slate has at most this many items; an event's row is its record's offset times this, plus its place.
SLATE = 1024


class Mapped(NamedTuple):
    """What became of one record."""

    events: Sequence[Impression | Click] = ()
    reason: str = ""  # why something in it could not be used; "" if nothing
    left_out: str = ""  # its kind, where that is none that the mapping names


@dataclass(frozen=True)
class _Field:
    """A field of ours, the path under which it is, and what finds it."""

    name: str
    path: str
    find: Callable[[Any], Any]

    def read(self, record: Any, read: Callable[[Any], Any]) -> Any:
        """What `read` makes of it. Raises: Unmappable: with field and path named."""
        try:
            return read(self.find(record))
        except Unmappable as problem:
            raise Unmappable(f"{self.name}: {self.path} {problem}") from None


class Mapping:
    """What one or several tables say of the records of one topic."""

    def __init__(self, sources: Sequence[SourceSettings]) -> None:
        self._sources = [_Source(one) for one in sources]

    def __call__(self, record: Record) -> Mapped:
        """The events in a record, and why the rest of it is none."""
        if len(self._sources) == 1:
            return self._sources[0].map(record)
        found = [source.map(record, lazily=True) for source in self._sources]
        events = [event for one in found for event in one.events]
        if len(events) > SLATE:
            return Mapped(reason=f"it makes {len(events)} events, at most {SLATE} are taken of one record")
        reason = next((one.reason for one in found if one.reason), "")
        left_out = "" if events or reason else self._sources[0].map(record).left_out
        return Mapped(events, reason, left_out)


class _Source:
    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings
        self._kind = _field("kind_field", settings.kind_field) if settings.kind_field else None
        self._kinds = dict.fromkeys(settings.impression_values, "impression")
        self._kinds |= dict.fromkeys(settings.click_values, "click")
        self._user = _field("user", settings.user)
        self._time, self._read_time = _field("time", settings.time), time_reader(settings.time_unit)
        self._items = _field("items", settings.items) if settings.items else None
        self._item, self._categories = _field("item", settings.item), None
        if settings.categories:
            self._categories = _field("categories", settings.categories)
        self._shown = (
            _Field("item", f"{settings.items}[].{settings.item}", inner(settings.item)),
            _Field("categories", f"{settings.items}[].{settings.categories}", inner(settings.categories))
            if settings.categories
            else None,
        )
        self._impression = _field("impression", settings.impression) if settings.impression else None
        self._slate = _field("slate", settings.slate) if settings.slate else None

    def map(self, record: Record, *, lazily: bool = False) -> Mapped:
        """lazily: what is left out does not say what it is, which takes longer than to leave it out."""
        try:
            kind = self._kind_of(record)
            if kind is None:
                return Mapped() if lazily else Mapped(left_out=self._left_out(record))
            if kind == "click":
                return Mapped((self._click(record),))
            if self._items is None:
                return Mapped((self._impression_of(record),))
            return Mapped(self._slate_of(record, self._items))
        except Unmappable as problem:
            return Mapped(reason=str(problem))

    def _kind_of(self, record: Record) -> str | None:
        if self._kind is None:
            return self._settings.kind
        said = self._kind.read(record, _said)
        return None if said is None else self._kinds.get(said)

    def _left_out(self, record: Record) -> str:
        assert self._kind is not None
        return f"{self._kind.path} {quoted(self._kind.find(record))}"

    def _click(self, record: Record) -> Click:
        item = self._item.read(record, as_id)
        return Click(
            user_id=self._user.read(record, as_id),
            item_id=item,
            ts=self._time.read(record, self._read_time),
            impression_id=self._id(record, item),
            categories=self._categories_of(self._categories, record),
        )

    def _impression_of(self, record: Record) -> Impression:
        item = self._item.read(record, as_id)
        identifier = self._id(record, item)
        if identifier is None:
            field = self._impression or self._slate
            assert field is not None
            raise Unmappable(f"{field.name}: {field.path} {_absent(field.find(record))}")
        return Impression(
            impression_id=identifier,
            user_id=self._user.read(record, as_id),
            item_id=item,
            ts=self._time.read(record, self._read_time),
            categories=self._categories_of(self._categories, record),
        )

    def _slate_of(self, record: Record, field: _Field) -> list[Impression]:
        """An impression per item; an item that a slate shows twice is one impression."""
        assert self._slate is not None
        shown = field.read(record, _list)
        user, slate = self._user.read(record, as_id), self._slate.read(record, as_id)
        ts = self._time.read(record, self._read_time)
        item_field, categories_field = self._shown
        events: dict[str, Impression] = {}
        for one in shown:
            item = item_field.read(one, as_id)
            if item not in events:
                categories = self._categories_of(categories_field, one)
                events[item] = Impression(joined_id(slate, item), user, item, ts, categories)
        return list(events.values())

    def _id(self, record: Record, item: str) -> str | None:
        """The impression's id; None where there is none, as a click may have it."""
        field = self._slate or self._impression
        if field is None or field.find(record) in (MISSING, None, ""):
            return None
        identifier = str(field.read(record, as_id))
        return joined_id(identifier, item) if field is self._slate else identifier

    def _categories_of(self, field: _Field | None, of: Any) -> tuple[str, ...]:
        if field is None:
            return ()
        found: tuple[str, ...] = field.read(of, lambda one: as_categories(one, self._settings.separator))
        return found


def joined_id(slate: str, item: str) -> str:
    """The id of one item's impression in a slate: no other slate and item have it. Raises: Unmappable."""
    if "/" in slate or "%" in slate:
        slate = slate.replace("%", "%25").replace("/", "%2F")
    identifier = f"{slate}/{item}"
    if len(identifier) > LONGEST_ID:
        raise Unmappable(
            f"slate: with the item it has {len(identifier)} characters, {LONGEST_ID} are allowed"
        )
    return identifier


def _field(name: str, path: str) -> _Field:
    return _Field(name, path, finder(path))


def _said(found: Any) -> str | None:
    if found is MISSING:
        raise Unmappable("is missing")
    return as_text(found)


def _absent(found: Any) -> str:
    if found is MISSING:
        return "is missing"
    return "is null" if found is None else "is empty"


def _list(found: Any) -> Sequence[Any]:
    if found is MISSING:
        raise Unmappable("is missing")
    if not isinstance(found, list | tuple):
        raise Unmappable(f"is {quoted(found)}, a list is expected")
    if not found:
        raise Unmappable("is empty: it shows nothing")
    if len(found) > SLATE:
        raise Unmappable(f"has {len(found)} items, at most {SLATE} are taken of one record")
    return found

"""Foreign records under a mapping: what becomes of them, and what laws hold whatever is in them."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import ConfigurationError
from stream.ingest.decode import decode_json
from stream.ingest.mapping import SLATE, Mapping, joined_id
from stream.ingest.paths import MISSING, Record, finder, inner, names_of, path_of
from stream.ingest.values import Unmappable, as_categories, as_id, time_reader
from stream.settings import IngestSettings, SourceSettings
from stream.window.log import Click, Impression, Unusable, decode

T = 1_764_000_000_000

texts = st.text(st.characters(codec="utf-8"), max_size=20)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
values = st.recursive(
    scalars, lambda one: st.lists(one, max_size=3) | st.dictionaries(texts, one, max_size=3), max_leaves=8
)


def source(**more: object) -> SourceSettings:
    given = {"topic": "t", "kind": "impression", "user": "u", "item": "i", "impression": "p", "time": "t"}
    return SourceSettings.model_validate(
        {one: value for one, value in (given | more).items() if value is not None}
    )


def mapped(record: Record | dict, *sources: SourceSettings):
    return Mapping(sources or [source()])(record if isinstance(record, Record) else Record(record))


def test_fields_are_found_in_nested_json_lists_headers_key_and_kafka_s_own_time():
    record = Record(
        {"user": {"id": 5}, "a.b": "dot", "hits": [{"sku": "x"}, {"sku": "y"}]},
        key=b'{"who": "k"}',
        headers=[("h", b"first"), ("h", b"last")],
        timestamp=7,
    )
    found = {path: finder(path)(record) for path in ("user.id", r"a\.b", "hits.1.sku", "header:h", "key:who")}
    assert found == {"user.id": 5, r"a\.b": "dot", "hits.1.sku": "y", "header:h": "last", "key:who": "k"}
    assert finder("kafka:timestamp")(record) == 7
    assert finder("key")(record) == '{"who": "k"}'
    for absent in ("user.name", "user.id.more", "hits.2.sku", "header:g", "key:whom", "nothing"):
        assert finder(absent)(record) is MISSING


@given(
    st.lists(st.text(st.characters(exclude_characters="\\"), min_size=1, max_size=5), min_size=1, max_size=4)
)
def test_a_path_finds_what_lies_under_its_names_whatever_they_are(names):
    if path_of(names) != ".":
        assert names_of(path_of(names)) == names
        value: object = "here"
        for name in reversed(names):
            value = {name: value}
        assert inner(path_of(names))(value) == "here"


@given(values, values, values, values)
def test_whatever_is_mapped_windowing_can_decode_and_whatever_is_not_has_a_reason(
    user, item, impression, time
):
    found = mapped({"u": user, "i": item, "p": impression, "t": time})
    assert bool(found.events) != bool(found.reason)
    for event in found.events:
        (read,) = decode([msgspec.json.encode(event)])
        assert read == event
        assert not isinstance(read, Unusable)


@given(values)
def test_a_record_of_any_shape_at_all_is_mapped_or_refused(value):
    found = mapped(Record(value), source(items="a.b", slate="p", impression=None))
    assert bool(found.events) != bool(found.reason)


def test_impressions_and_clicks_get_their_fields():
    record = {"u": 1, "i": "x", "p": "p1", "t": T, "c": "a| b ||"}
    (shown,) = mapped(record, source(categories="c")).events
    assert shown == Impression("p1", "1", "x", T, ("a", "b"))
    (clicked,) = mapped(record, source(kind="click", categories="c")).events
    assert clicked == Click("1", "x", T, "p1", ("a", "b"))
    (alone,) = mapped({"u": 1, "i": "x", "t": T}, source(kind="click", impression=None)).events
    assert alone == Click("1", "x", T)


def test_a_field_tells_the_kind_and_other_kinds_are_left_out():
    table = source(kind=None, kind_field="e", impression_values=["view"], click_values=["tap", "3"])
    record = {"u": "u", "i": "x", "p": "p", "t": T}
    kinds = [
        [event.kind for event in mapped(record | {"e": one}, table).events]
        for one in ("view", "tap", 3, "buy")
    ]
    assert kinds == [[0], [1], [1], []]
    assert mapped(record | {"e": "buy"}, table).left_out == "e 'buy'"
    assert mapped(record, table).reason == "kind_field: e is missing"


def test_one_record_with_a_label_is_an_impression_and_perhaps_a_click():
    shown = source(time="shown")
    clicked = source(kind=None, kind_field="clicked", click_values=["true"], time="at")
    record = {"u": "u", "i": "x", "p": "p", "shown": T, "clicked": True, "at": T + 5}
    assert [one.kind for one in mapped(record, shown, clicked).events] == [0, 1]
    assert [one.kind for one in mapped(record | {"clicked": False}, shown, clicked).events] == [0]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"i": 1, "p": 1, "t": T}, "user: u is missing"),
        ({"u": None, "i": 1, "p": 1, "t": T}, "user: u is null"),
        ({"u": "", "i": 1, "p": 1, "t": T}, "user: u is empty"),
        ({"u": 1, "i": {}, "p": 1, "t": T}, "item: i is {}, a text or a whole number is expected"),
        ({"u": 1, "i": 1.5, "p": 1, "t": T}, "item: i is 1.5, a text or a whole number is expected"),
        ({"u": 1, "i": 1, "t": T}, "impression: p is missing"),
        ({"u": 1, "i": 1, "p": "x" * 513, "t": T}, "impression: p has 513 characters, at most 512 are taken"),
        ({"u": 1, "i": 1, "p": 1, "t": "soon"}, "time: t is 'soon', a number (ms since 1970) is expected"),
        (
            {"u": 1, "i": 1, "p": 1, "t": T * 1000},
            "time: t is 1764000000000000, as ms before 1970 or after the year 9999: is time_unit right?",
        ),
    ],
)
def test_what_is_wrong_is_named_with_field_and_path(record, reason):
    assert mapped(record).reason == reason


def test_a_slate_is_an_impression_per_item_and_one_that_is_there_twice_is_one():
    table = source(items="hits", item="sku", categories="tags", slate="r", impression=None, separator=",")
    hits = [{"sku": 1, "tags": "a,b"}, {"sku": 2, "tags": ["c"]}, {"sku": 1}]
    found = mapped({"u": "u", "r": "req/1", "t": T, "hits": hits}, table).events
    assert found == [
        Impression("req%2F1/1", "u", "1", T, ("a", "b")),
        Impression("req%2F1/2", "u", "2", T, ("c",)),
    ]
    (clicked,) = mapped(
        {"u": "u", "r": "req/1", "t": T, "i": 2}, source(kind="click", slate="r", impression=None)
    ).events
    assert clicked.impression_id == found[1].impression_id
    ids = source(items="hits", item=".", slate="r", impression=None)
    assert [one.item_id for one in mapped({"u": "u", "r": 1, "t": T, "hits": ["x", 7]}, ids).events] == [
        "x",
        "7",
    ]


def test_a_slate_that_is_empty_no_list_or_too_long_is_refused():
    table = source(items="hits", item=".", slate="r", impression=None)
    record = {"u": "u", "r": 1, "t": T}
    assert mapped(record | {"hits": []}, table).reason == "items: hits is empty: it shows nothing"
    assert mapped(record | {"hits": "x"}, table).reason == "items: hits is 'x', a list is expected"
    long = mapped(record | {"hits": list(range(SLATE + 1))}, table)
    assert long.reason == f"items: hits has {SLATE + 1} items, at most {SLATE} are taken of one record"


short = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6) | st.text(
    "/%2F5", min_size=1, max_size=6
)


@given(short, short, short, short)
def test_the_ids_of_two_slates_or_two_items_are_never_the_same(slate, item, other, another):
    assert (joined_id(slate, item) == joined_id(other, another)) == ((slate, item) == (other, another))


@given(st.integers(0, 253_402_300_799_999))
def test_a_time_is_the_same_in_every_unit_that_can_tell_it(ms):
    assert time_reader("ms")(ms) == ms
    assert time_reader("ms")(str(ms)) == ms
    assert time_reader("us")(ms * 1000 + 999) == ms
    assert time_reader("ns")(ms * 1_000_000) == ms
    assert time_reader("s")(ms // 1000) == ms // 1000 * 1000
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    assert time_reader("iso")(moment.isoformat()) == ms
    assert time_reader("iso")(moment) == ms  # as Avro's logical types are decoded
    assert time_reader("ms")(moment) == ms


@given(st.integers(946_684_800_000, 4_102_444_800_000))
def test_seconds_with_a_fraction_keep_their_milliseconds(ms):
    assert time_reader("s")(ms / 1000) == ms


def test_a_text_without_a_zone_is_utc_and_one_with_a_zone_is_not():
    assert time_reader("iso")("2025-11-24T16:00:00") == T
    assert time_reader("iso")("2025-11-24 17:00:00+01:00") == T
    assert time_reader("iso")("2025-11-24T16:00:00Z") == T


def test_ids_of_other_types_are_what_they_look_like():
    uuid = UUID(int=5)
    assert [as_id(one) for one in (7, 7.0, Decimal(7), "7", b"7", uuid)] == [
        "7",
        "7",
        "7",
        "7",
        "7",
        str(uuid),
    ]
    for wrong in (True, None, MISSING, [], 7.5, float("nan"), float("inf"), b"\xff"):
        with pytest.raises(Unmappable):
            as_id(wrong)


def test_of_too_many_categories_the_first_are_taken():
    assert as_categories(list(range(100)), "|") == tuple(map(str, range(64)))
    assert as_categories(MISSING, "|") == as_categories(None, "|") == as_categories("", "|") == ()
    assert as_categories("a;b", ";") == ("a", "b")
    assert as_categories(5, "|") == ("5",)


@pytest.mark.parametrize("value", [b"", None, b"{", b"\xff", b"\0\0\0\0\1x", b"[" * 100_000])
def test_bytes_that_are_no_json_are_refused_with_a_reason(value):
    with pytest.raises(Unmappable, match=r"empty|not JSON|not UTF-8|nested"):
        decode_json("t", value)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"kind": None}, "set kind, or kind_field"),
        ({"kind_field": "e"}, "set kind, or kind_field"),
        ({"kind": None, "kind_field": "e"}, "kind_field needs impression_values"),
        ({"impression": None}, "an impression needs an id that its click names too"),
        ({"slate": "s"}, "set impression, or slate, not both"),
        ({"items": "hits"}, "with items set slate, not impression"),
        ({"kind": "click", "items": "hits"}, "items is for impressions"),
        ({"time_unit": "hours"}, "Input should be"),
        ({"start": "soon"}, "earliest, latest or a time"),
        ({"usr": "u"}, "Extra inputs"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused_and_says_why(table, said):
    with pytest.raises(ValueError, match=said):
        source(**table)


def test_tables_of_one_topic_agree_on_what_a_topic_has_one_of():
    one = json.loads(source().model_dump_json())
    with pytest.raises(ValueError, match="differ in format or start"):
        IngestSettings.model_validate({"sources": [one, one | {"start": "latest"}]})
    with pytest.raises(ValueError, match=r"topic t is avro: set ingest\.registry"):
        IngestSettings.model_validate({"sources": [one | {"format": "avro"}]})


@pytest.mark.parametrize(
    "given",
    [
        {"registry": "http://user:hunter2@host:8081"},
        {"options": {"sasl.password": ["hunter2"]}},
        {"registry": "hunter2"},
    ],
)
def test_no_error_shows_a_secret_that_stands_in_a_wrong_place(given):
    with pytest.raises(ConfigurationError) as error:
        IngestSettings.model_validate(given)
    assert "hunter2" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("digits", [400, 5_000])
@pytest.mark.parametrize("field", ["u", "i", "p", "t"])
@pytest.mark.parametrize("as_what", [int, str])
def test_numbers_of_any_length_are_refused_and_end_nothing(digits, field, as_what):
    number = b"9" * digits if as_what is int else b'"' + b"9" * digits + b'"'
    given = {"u": b"1", "i": b"1", "p": b"1", "t": b"1"} | {field: number}
    text = b"{" + b",".join(b'"%s":%s' % (name.encode(), one) for name, one in given.items()) + b"}"
    try:
        found = mapped(Record(decode_json("t", text)))
    except Unmappable:
        return
    assert bool(found.events) != bool(found.reason)
    if field == "t":
        assert found.reason

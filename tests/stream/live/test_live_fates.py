from stream.close.batches import Reached
from stream.live.fates import Fates, of_period
from stream.live.reasons import LONGEST, MOST, OTHER, Reasons
from stream.records import Manifest


def reached(offset: int, **counts: int) -> Reached:
    return Reached(watermark=0, ends=0, offset=offset, event_at=0, counts=counts, busy_ms=0)


def test_counts_are_those_of_all_partitions_and_each_ones_newest() -> None:
    fates = Fates()
    fates.take(0, reached(10, late=1, dead=2))
    fates.take(1, reached(5, late=4, dead=0))
    fates.take(0, reached(20, late=3, dead=2))
    fates.take(0, reached(15, late=2, dead=2))  # a zombie's
    assert fates.counts == {"late": 7, "dead": 2}


def test_a_periods_counts_are_what_came_since_the_one_before() -> None:
    before = Manifest(period=0, parent="", reason="settings")
    first = Manifest(period=1, parent="", reason="count", counts={"used": 5, "pending": 3})
    second = Manifest(period=2, parent="", reason="count", counts={"used": 9, "pending": 1})
    assert of_period(before, first) == {"used": 5, "pending": 3}
    assert of_period(first, second) == {"used": 4, "pending": -2}


def test_a_reason_is_named_without_what_it_quotes_and_without_numbers() -> None:
    name = Reasons().name
    assert name(b"unknown impression 'it\\'s p7' of this user") == "unknown impression \u2026 of this user"
    assert name(b'unknown impression "it\'s p7" of this user') == "unknown impression \u2026 of this user"
    assert name(b"the record has 300001 bytes, at most 262144 are read") == (
        "the record has # bytes, at most # are read"
    )
    assert name(b"Expected `int`, got `str` - at `ts`") == "Expected `int`, got `str` - at `ts`"
    assert name(None) == "none given"
    assert name(b"\xff") == "\N{REPLACEMENT CHARACTER}"
    assert len(name(b"x" * 500)) == LONGEST


def test_whatever_is_sent_there_are_only_so_many_reasons() -> None:
    reasons = Reasons()
    words = ["".join(chr(97 + int(digit)) for digit in str(n)) for n in range(100)]
    named = [reasons.name(word.encode()) for word in words]
    assert named[:MOST] == words[:MOST]
    assert set(named[MOST:]) == {OTHER}
    assert reasons.name(words[0].encode()) == words[0]

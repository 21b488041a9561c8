"""The newest history of a user counts."""

from serving.histories import Histories
from stream.records import History, encode


def told(histories: Histories, user: str, items: list[str], newest: int) -> None:
    times = [newest - place for place in range(len(items))]
    histories.take(user.encode(), encode(History(items=items, times=times)))


def test_a_newer_history_replaces_an_older_one_and_never_the_other_way() -> None:
    histories = Histories()
    told(histories, "u", ["b", "a"], 20)
    told(histories, "u", ["a"], 10)
    assert histories.of("u") == ("b", "a")
    told(histories, "u", ["c", "b", "a"], 30)
    assert histories.of("u") == ("c", "b", "a")
    assert histories.of("nobody") == ()
    assert len(histories) == 1


def test_no_more_than_thirty_items_are_kept() -> None:
    histories = Histories()
    told(histories, "u", [str(one) for one in range(50)], 100)
    assert histories.of("u") == tuple(str(one) for one in range(30))


def test_a_record_without_value_forgets_the_user_and_one_nobody_can_read_is_counted() -> None:
    histories = Histories()
    told(histories, "u", ["a"], 1)
    histories.take(b"u", b"no json")
    histories.take(b"\xff", encode(History(items=["a"], times=[1])))
    assert histories.unreadable == 2
    histories.take(b"u", None)
    assert histories.of("u") == ()

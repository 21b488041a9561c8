"""From a model back to its periods, link by link."""

import msgspec
import pytest

from stream.records import Announcement, Manifest, encode
from stream.topics import Topics
from trainer.announced import Announced
from trainer.lineage import Link, chain, made_of, name_of, named

TOPICS = Topics("t.")


def model(announced, kind, version, *parents):
    """Announces a model made of what is named, and answers with it."""
    of = {parent: named(announced, parent).hash() for parent in parents}
    one = Announcement(kind=kind, version=version, parts={"mlp": f"{kind}{version}"}, parents=of)
    announced.take(TOPICS.models, encode(one))
    return one


@pytest.fixture
def announced():
    """Three periods with Θ, and Θ* of the third, made of Θ_1..3 and the last two periods."""
    found, parent = Announced(TOPICS), ""
    for period in range(4):
        manifest = Manifest(period=period, parent=parent, reason="count" if period else "settings", count=5)
        parent = manifest.hash()
        found.take(TOPICS.periods, encode(manifest))
    model(found, "theta", 1, "period/1")
    model(found, "theta", 2, "period/2", "theta/1")
    model(found, "theta", 3, "period/3", "theta/2")
    model(found, "star", 3, "period/2", "period/3", "theta/1", "theta/2", "theta/3")
    return found


def test_names_name_what_is_announced(announced):
    assert name_of(named(announced, "star/3")) == "star/3"
    assert named(announced, "period/2").period == 2
    assert [named(announced, one) for one in ("star/2", "period/9", "theta/", "theta/x", "moon/1", "")] == [
        None
    ] * 6


def test_a_model_is_made_of_what_its_announcement_says(announced):
    links = made_of(announced, named(announced, "theta/2"))
    assert [(one.child, one.parent, one.holds) for one in links] == [
        ("theta/2", "period/2", True),
        ("theta/2", "theta/1", True),
    ]


def test_the_chain_has_every_link_once_and_ends_with_the_first_period(announced):
    links = list(chain(announced, named(announced, "star/3")))
    pairs = [(one.child, one.parent) for one in links]
    assert len(pairs) == len(set(pairs)) == 5 + 1 + 2 + 2
    assert pairs[0] == ("star/3", "period/2")
    assert {parent for _, parent in pairs} == {
        "period/1",
        "period/2",
        "period/3",
        "theta/1",
        "theta/2",
        "theta/3",
    }
    assert all(one.holds for one in links)


def test_a_parent_that_is_another_or_gone_breaks_its_links_alone(announced):
    announced.models["theta", 1] = msgspec.structs.replace(
        named(announced, "theta/1"), parts={"mlp": "other"}
    )
    del announced.models["theta", 2]
    broken = [one for one in chain(announced, named(announced, "star/3")) if not one.holds]
    assert [(one.child, one.parent, one.there is None) for one in broken] == [
        ("star/3", "theta/1", False),
        ("star/3", "theta/2", True),
        ("theta/3", "theta/2", True),
    ]
    assert not Link("a", "b", "hash", None).holds


def test_a_parent_that_was_superseded_is_followed_as_it_was_then(announced):
    old = named(announced, "theta/1")
    new = msgspec.structs.replace(old, parts={"mlp": "other"}, parents={}, supersedes=old.hash())
    announced.take(TOPICS.models, encode(new))
    links = list(chain(announced, named(announced, "star/3")))
    assert [(one.child, one.parent, one.there) for one in links if one.superseded] == [
        ("star/3", "theta/1", new.hash()),
        ("theta/2", "theta/1", new.hash()),
    ]
    assert not any(one.broken for one in links)
    assert ("theta/1", "period/1") in [(one.child, one.parent) for one in links]

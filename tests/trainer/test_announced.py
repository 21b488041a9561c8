from stream.records import Announcement, Manifest, Serve, encode
from stream.topics import Topics
from trainer.announced import Announced

TOPICS = Topics("t.")


def manifest(period, parent="", **extra):
    return Manifest(period=period, parent=parent, reason="count", **extra)


def announced(*records):
    kinds = {Manifest: TOPICS.periods, Announcement: TOPICS.models, Serve: TOPICS.serve}
    said = Announced(TOPICS)
    for record in records:
        said.take(kinds[type(record)], encode(record))
    return said


def test_the_first_manifest_of_a_number_whose_parent_is_accepted_counts():
    zero = manifest(0)
    stray, first, second = (
        manifest(1, "other"),
        manifest(1, zero.hash(), count=5),
        manifest(1, zero.hash(), count=6),
    )
    said = announced(zero, stray, first, second, manifest(3, second.hash()))
    assert said.manifests == [zero, first]
    assert said.manifest(1) == first
    assert said.manifest(2) is None


def test_the_first_announcement_of_a_kind_and_version_counts():
    one, two = (Announcement(kind="theta", version=1, parts={"mlp": name}, parents={}) for name in "ab")
    star = Announcement(kind="star", version=1, parts={}, parents={})
    said = announced(one, two, star)
    assert said.model("theta", 1) == one
    assert said.model("star", 1) == star


def test_what_supersedes_the_accepted_one_takes_its_place_and_the_first_of_those_counts():
    one, two = (Announcement(kind="theta", version=1, parts={"mlp": name}, parents={}) for name in "ab")
    three, four, stray = (
        Announcement(kind="theta", version=1, parts={"mlp": name}, parents={}, supersedes=of)
        for name, of in (("c", one.hash()), ("d", one.hash()), ("e", two.hash()))
    )
    early = announced(three, one, two)
    assert (early.model("theta", 1), early.superseded) == (one, {})
    said = announced(one, two, stray, three, four)
    assert said.model("theta", 1) == three
    assert said.superseded == {one.hash(): one}
    five = Announcement(kind="theta", version=1, parts={"mlp": "f"}, parents={}, supersedes=three.hash())
    again = announced(one, three, four, five, four, three)
    assert again.model("theta", 1) == five
    assert again.superseded.keys() == {one.hash(), three.hash()}


def test_versions_count_up_to_the_first_gap():
    models = [Announcement(kind="theta", version=one, parts={}, parents={}) for one in (1, 2, 4)]
    assert announced(*models).last_theta() == 2
    assert announced().last_theta() == 0


def test_an_operators_word_is_not_the_gates():
    gate = Serve(period=1, kind="theta", version=1, reason="")
    held = Serve(period=2, kind="theta", version=1, reason="", held_by="ops")
    assert announced(gate, held).last_decided() == 1


def test_what_nobody_can_read_is_counted_and_passed_over():
    said = Announced(TOPICS)
    said.take(TOPICS.models, b"\xff{")
    said.take(TOPICS.periods, None)
    said.take(TOPICS.periods, encode(manifest(0)))
    assert said.unreadable == 2
    assert len(said.manifests) == 1

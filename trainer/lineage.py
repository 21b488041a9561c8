"""From any model back to the periods it was made of: what its announcement says, checked link by link."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stream.records import Announcement, Manifest, Serve, Shadow
from trainer.announced import Announced


@dataclass(frozen=True)
class Link:
    """One thing that a model was made of. Names are as announcements have them: "period/31", "theta/30"."""

    child: str
    parent: str
    recorded: str  # hash of the parent when the child was made
    there: str | None  # its hash now, None where it is not announced
    superseded: bool = False  # whether the parent that was recorded counted once, and another does now

    @property
    def holds(self) -> bool:
        """Whether the parent is what it was."""
        return self.recorded == self.there

    @property
    def broken(self) -> bool:
        """Whether nothing that ever counted is the parent that was recorded."""
        return not self.holds and not self.superseded


def name_of(model: Announcement | Serve | Shadow) -> str:
    """ "star/31", of a shadow "iu/31": the model's, or that of the one a word names."""
    kind = model.name if isinstance(model, Shadow) else model.kind
    return f"{kind}/{model.version}"


def named(announced: Announced, name: str) -> Announcement | Manifest | None:
    """The accepted announcement, or manifest, of a name; None where there is none."""
    kind, _, number = name.partition("/")
    if not number.isdecimal():
        return None
    match kind:
        case "period":
            return announced.manifest(int(number))
        case "theta" | "star" | "ema":
            return announced.model(kind, int(number))
    return None


def made_of(announced: Announced, model: Announcement) -> list[Link]:
    """What the model itself was made of, as its announcement has it."""
    links = []
    for parent, recorded in model.parents.items():
        there = named(announced, parent)
        now = there.hash() if there else None
        superseded = recorded != now and recorded in announced.superseded
        links.append(Link(name_of(model), parent, recorded, now, superseded))
    return links


def chain(announced: Announced, model: Announcement) -> Iterator[Link]:
    """All links from the model back to the first period, each model's once, the model's own first.

    A parent that was superseded since is followed as it was when the child was made.
    """
    waiting, seen = [model], {model.hash()}
    while waiting:
        for link in made_of(announced, waiting.pop(0)):
            yield link
            there = announced.superseded.get(link.recorded) or named(announced, link.parent)
            if isinstance(there, Announcement) and there.hash() not in seen:
                seen.add(there.hash())
                waiting.append(there)

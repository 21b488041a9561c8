"""From any model back to the periods it was made of: what its announcement says, checked link by link."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stream.records import Announcement, Manifest, Serve
from trainer.announced import Announced


@dataclass(frozen=True)
class Link:
    """One thing that a model was made of. Names are as announcements have them: "period/31", "theta/30"."""

    child: str
    parent: str
    recorded: str  # hash of the parent when the child was made
    there: str | None  # its hash now, None where it is not announced

    @property
    def holds(self) -> bool:
        """Whether the parent is what it was."""
        return self.recorded == self.there


def name_of(model: Announcement | Serve) -> str:
    """ "star/31": the model's, or that of the one a word names."""
    return f"{model.kind}/{model.version}"


def named(announced: Announced, name: str) -> Announcement | Manifest | None:
    """The accepted announcement, or manifest, of a name; None where there is none."""
    kind, _, number = name.partition("/")
    if not number.isdecimal():
        return None
    match kind:
        case "period":
            return announced.manifest(int(number))
        case "theta" | "star":
            return announced.model(kind, int(number))
    return None


def made_of(announced: Announced, model: Announcement) -> list[Link]:
    """What the model itself was made of, as its announcement has it."""
    links = []
    for parent, recorded in model.parents.items():
        there = named(announced, parent)
        links.append(Link(name_of(model), parent, recorded, there.hash() if there else None))
    return links


def chain(announced: Announced, model: Announcement) -> Iterator[Link]:
    """All links from the model back to the first period, each model's once, the model's own first."""
    waiting, seen = [model], {name_of(model)}
    while waiting:
        for link in made_of(announced, waiting.pop(0)):
            yield link
            there = named(announced, link.parent)
            if isinstance(there, Announcement) and link.parent not in seen:
                seen.add(link.parent)
                waiting.append(there)

"""The small JSON records that workers tell each other by: manifest, announcement, serve, checkpoint."""

from __future__ import annotations

import hashlib
import re
import time
from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec

from stream.errors import CorruptRecord

Reason = Literal["settings", "history", "count", "time", "end"]

#: Θ, the base model; Θ*, the generated one; Θ̄, the moving average of the Θ.
Kind = Literal["theta", "star", "ema"]
KINDS: tuple[Kind, ...] = get_args(Kind)

#: What numpy and Arrow hold.
Int = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]

#: Depth to which a record is followed: where a decoder itself gives up depends on who called it.
DEEPEST = 100
_BRACKETS = re.compile(rb"[\[\]{}]")

#: decided_at (ms), user id, item id, impression id: the key of Order.
Key = tuple[Int, str, str, str]


class Beginning(msgspec.Struct, frozen=True, kw_only=True):
    """What windowing of a partition begins with where history was windowed before: a state in the store."""

    offset: Int  # of `events`: the first that is not in it
    base: str  # users' positives
    rest: str  # all else, as of a checkpoint


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Period `period` is closed: which samples are its D_t. Number 0 records the settings.

    After a warm-up number 0 says besides what windowing begins with; and where Θ_0 is pre-trained its reason
    is `history` and its samples are D_0, what Θ_0 learns.
    """

    period: Int
    parent: str  # hash of the manifest before; "" for number 0
    reason: Reason
    cut: Key | None = None  # Order key of its last sample
    count: Int = 0  # samples, drawn negatives not among them
    positives: Int = 0
    sha256: str = ""  # over D_t's row hashes in Order, little-endian uint64
    samples: dict[str, tuple[Int, Int]] = {}  # partition -> [first number, last + 1)
    at: dict[str, tuple[Int, Int]] = {}  # partition -> offsets in `samples` [first batch, last batch + 1)
    counts: dict[str, Int] = {}  # used, pending, late, delayed, duplicate, dead, produced: since the start
    busy_seconds: float = 0.0  # windowing had input waiting, since the start, all workers together
    opened_at: Int = 0  # ms, wall clock
    closed_at: Int = 0  # ms, wall clock
    last_event_at: Int = 0  # ms, when Kafka took the event that decided the last sample (or one just before)
    ends: Int = 0  # ends of the stream that lie before its cut, or at it
    settings: dict[str, Int | str | None] = {}
    #: Digests of users who are forgotten at its start (`stream.forgotten`): their rows leave, and their
    #: samples in it, which it hashes, are nobody's to whoever reads them.
    forget: tuple[str, ...] = ()
    begin: dict[str, Beginning] = {}  # partition -> what its windowing begins with; of number 0 alone

    @property
    def has_samples(self) -> bool:
        """Whether there is a D_t to be archived: number 0 has none, unless history came before the stream."""
        return self.reason != "settings"

    def hash(self) -> str:
        """sha256 over what any run over the same log must agree on."""
        settings = {name: value for name, value in sorted(self.settings.items()) if name != "partitions"}
        agreed = [self.period, self.parent, self.reason, self.cut, self.count, self.positives, self.sha256]
        forgotten = [self.forget] if self.forget else []  # so hashes stay what they were where nobody is
        return hashlib.sha256(msgspec.json.encode([*agreed, settings, *forgotten])).hexdigest()


class Archived(msgspec.Struct, frozen=True, kw_only=True):
    """D_t of `period` is in the store: the one that has forgotten most counts, of equals the first.

    What is read there is held against the manifest's hash, so whoever wrote this need not be trusted; but for
    one that has forgotten users, of whose rows no hash is left: of that it is the note.
    """

    period: Int
    part: str  # name in the store
    rows: Int
    forgotten: Int = 0  # of the rows: nobody's, since their users are forgotten (`stream.forgotten`)
    archived_at: Int = 0  # ms, wall clock


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """How a model did on the D_t that came after it. None where a score was not finite."""

    auc: float | None
    logloss: float | None
    rows: Int


class Drift(msgspec.Struct, frozen=True):
    """How the popularity of items differs from the period before (`stream.live.drift`)."""

    distance: float  # Jensen-Shannon distance of the shares of positives, to base 2: 0 the same
    new_items: float  # share of the positives that are on items without a sample in the period before


class Outlook(msgspec.Struct, frozen=True):
    """How a generated model scores the period it was made after, which says whether it may serve at all."""

    finite: bool
    jump: float | None = (
        None  # Kolmogorov-Smirnov distance from the scores of the one before; None for the first
    )


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """A model whose every part is in the store: the first of a (kind, version) counts.

    One that supersedes counts from where it lies, in place of the one it names, if that is what counts there:
    so too the first of those that supersede the same one. It is written where parts are lost for good and
    come out otherwise when they are made again, and where a user is forgotten.
    """

    kind: Kind
    version: Int
    parts: dict[str, str]  # role ("user", "mlp", "hidden/item", ...) -> name in the store
    parents: dict[str, str]  # "period/31" -> hash of its manifest, "theta/30" -> hash of its announcement
    score: Score | None = None  # of the version before, on this version's D_t
    drift: Drift | None = None  # of this version's period; theta's alone, from its second on
    outlook: Outlook | None = None  # star's alone
    seconds: dict[str, float] = {}
    trained: Int = 0  # periods the generator was trained for, or that are in the average; 0 for theta
    settings: dict[str, Any] = {}  # seed, device, trainer and metagen: all that its making was told
    code_version: str = ""
    announced_at: Int = 0  # ms, wall clock
    supersedes: str | None = None  # hash of the one whose place it takes
    forgotten: Int = 0  # users whose rows were taken out of it since it was made

    def hash(self) -> str:
        """sha256 over what makes the model what it is."""
        agreed = [self.kind, self.version, sorted(self.parts.items()), sorted(self.parents.items())]
        return hashlib.sha256(msgspec.json.encode(agreed)).hexdigest()


class Shadow(msgspec.Struct, frozen=True, kw_only=True):
    """A model that runs beside what serves, on the same periods: the first of a (name, version) counts, or
    what supersedes it, as of announcements, where a user was forgotten."""

    name: str  # of its method: "iu", "asmg-gru-multi", ...
    version: Int
    parts: dict[str, str]  # role -> name in the store; none where a generator has made nothing yet
    score: Score | None = None  # of the version before, on this version's D_t
    seconds: dict[str, float] = {}
    trained: Int = 0  # periods its generator was trained for
    settings: dict[str, Any] = {}  # as an announcement's
    announced_at: Int = 0  # ms, wall clock
    supersedes: str | None = None  # hash of the one whose place it takes
    forgotten: Int = 0  # users whose rows were taken out of it since it was made

    def hash(self) -> str:
        """sha256 over what makes the model what it is."""
        agreed = [self.name, self.version, sorted(self.parts.items())]
        return hashlib.sha256(msgspec.json.encode(agreed)).hexdigest()


class Serve(msgspec.Struct, frozen=True, kw_only=True):
    """After `period`, serve this version of this kind."""

    period: Int
    kind: Kind
    version: Int
    reason: str
    held_by: str | None = None  # an operator, whose word stands until released
    release: bool = False
    decided_at: Int = 0  # ms, wall clock


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Windowing of `partition` may be taken up at `offset` from these parts."""

    partition: Int
    offset: Int  # of `events`: the first that is not in it
    busy_ms: Int = 0  # for which input was waiting, since the start
    base: str  # every user's positives at some time before
    deltas: tuple[str, ...]  # those of users whose positives changed, one after the other since the base
    rest: str  # all else: small, and written whole each time
    settings: dict[str, Int | str | None]


class History(msgspec.Struct, frozen=True, kw_only=True):
    """A user's last positives, newest first."""

    items: list[str]
    times: list[Int]  # ms


_Record = TypeVar("_Record", Manifest, Archived, Announcement, Shadow, Serve, Checkpoint, History)


def now() -> int:
    """The wall clock in ms: for records that people read; nothing is computed from it."""
    return time.time_ns() // 1_000_000


def encode(record: Any) -> bytes:
    """The record as JSON."""
    return msgspec.json.encode(record)


def decode(kind: type[_Record], value: bytes | None) -> _Record:
    """The record in these bytes.

    Raises: CorruptRecord: they are no such record.
    """
    value, name = value or b"", kind.__name__.lower()
    if value.count(b"[") + value.count(b"{") > DEEPEST and _depth(value) > DEEPEST:
        raise CorruptRecord(f"a record is no {name}: it is more than {DEEPEST} deep")
    try:
        return msgspec.json.decode(value, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorruptRecord(f"a record is no {name}: {error}") from error


def _depth(value: bytes) -> int:
    """How deep brackets are in each other, those within texts not told apart."""
    depth = deepest = 0
    for bracket in _BRACKETS.findall(value):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest

"""Each user's last positives as the topic `histories` tells them: the newest counts."""

from __future__ import annotations

from stream.errors import CorruptRecord
from stream.records import History, decode
from stream.samples import HISTORY


class Histories:
    """Histories by user. Item ids are kept once, however many histories hold them."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[int, tuple[str, ...]]] = {}  # user -> time of the newest in ms, items
        self._items: dict[str, str] = {}
        self.unreadable = 0

    def __len__(self) -> int:
        """Users whose history is held."""
        return len(self._held)

    def of(self, user: str) -> tuple[str, ...]:
        """A user's last positives, newest first; empty for a user nobody has told of."""
        return self._held.get(user, (0, ()))[1]

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """One record: a history older than the one held changes nothing; no value forgets the user."""
        try:
            user = (key or b"").decode()
            if value is None:
                self._held.pop(user, None)
                return
            history = decode(History, value)
        except (CorruptRecord, UnicodeDecodeError):
            self.unreadable += 1
            return
        newest = history.times[0] if history.times else 0
        if user not in self._held or newest >= self._held[user][0]:
            share = self._items.setdefault
            self._held[user] = (newest, tuple(share(one, one) for one in history.items[:HISTORY]))

"""Everything that can go wrong, as one tree.

AsmgError                     what a user may see as one line
├── ConfigurationError        a setting is missing, malformed or contradicts what runs already
├── DataError                 a file of the user's cannot be used; names file, line and field
├── BrokerError               Kafka cannot be reached, or refused
├── CorruptRecord             bytes in a topic that are not what the topic holds
├── GapError                  a number is missing where none may be
└── StoreError                the store failed
    ├── StoreAway             a server of the store does not answer
    ├── MissingArtefact       no part of that name
    └── CorruptArtefact       a part whose content does not match its name
"""

from __future__ import annotations

__all__ = [
    "AsmgError",
    "BrokerError",
    "ConfigurationError",
    "CorruptArtefact",
    "CorruptRecord",
    "DataError",
    "GapError",
    "MissingArtefact",
    "StoreAway",
    "StoreError",
]


class AsmgError(Exception):
    """The root: its text is one line that names the thing at fault and the mend."""


class ConfigurationError(AsmgError):
    """A setting is missing, malformed, or contradicts what the topics already hold."""


class DataError(AsmgError):
    """A file of the user's cannot be used."""


class BrokerError(AsmgError):
    """Kafka cannot be reached, or refused what was asked."""


class CorruptRecord(AsmgError):
    """Bytes in a topic that are not what that topic holds."""


class GapError(AsmgError):
    """A number is missing where numbers may have no gap."""


class StoreError(AsmgError):
    """The store failed."""


class MissingArtefact(StoreError):
    """The store has no part of that name."""


class CorruptArtefact(StoreError):
    """A part's content does not match the sha256 in its name."""


class StoreAway(StoreError):
    """A server that the store needs does not answer, or not in time; it may do so later."""

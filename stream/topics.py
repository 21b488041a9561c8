"""The topics: their names, partitions and how long Kafka keeps what is in them."""

from __future__ import annotations

from dataclasses import dataclass

#: Version of the records' schemas, in the header `schema` of every record.
SCHEMA_VERSION = b"1"

_KEPT = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
_LATEST = {"cleanup.policy": "compact"}
_LOG_TIME = {"message.timestamp.type": "LogAppendTime"}
_LARGE = {"max.message.bytes": str(8 * 1024 * 1024)}


@dataclass(frozen=True)
class Topics:
    """Names of all topics under one prefix."""

    prefix: str

    @property
    def events(self) -> str:
        """Impressions, clicks and ticks by user."""
        return f"{self.prefix}events"

    @property
    def samples(self) -> str:
        """Numbered samples, an Arrow batch a record."""
        return f"{self.prefix}samples"

    @property
    def histories(self) -> str:
        """Each user's last positives, compacted."""
        return f"{self.prefix}histories"

    @property
    def checkpoints(self) -> str:
        """Where each partition's windowing may be taken up, compacted."""
        return f"{self.prefix}checkpoints"

    @property
    def periods(self) -> str:
        """Manifests: the one commit point."""
        return f"{self.prefix}periods"

    @property
    def archive(self) -> str:
        """Which parts of the store are the samples of which period."""
        return f"{self.prefix}archive"

    @property
    def models(self) -> str:
        """Announcements of models whose parts are all in the store."""
        return f"{self.prefix}models"

    @property
    def shadows(self) -> str:
        """Announcements of models that run beside what serves."""
        return f"{self.prefix}shadows"

    @property
    def serve(self) -> str:
        """What serving is to serve."""
        return f"{self.prefix}serve"

    @property
    def dead_letters(self) -> str:
        """Bytes that could not be used, with their reason."""
        return f"{self.prefix}dead-letters"

    def layout(self, partitions: int) -> dict[str, tuple[int, dict[str, str]]]:
        """Name -> (partitions, topic configuration) of every topic."""
        return {
            self.events: (partitions, _KEPT | _LOG_TIME),
            self.samples: (partitions, _KEPT | _LARGE),
            self.histories: (partitions, _LATEST),
            self.checkpoints: (1, _LATEST),
            self.periods: (1, _KEPT),
            self.archive: (1, _KEPT),
            self.models: (1, _KEPT),
            self.shadows: (1, _KEPT),
            self.serve: (1, _KEPT),
            self.dead_letters: (1, _KEPT),
        }

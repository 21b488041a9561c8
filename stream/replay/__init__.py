"""Data sets as live events: reading them, encoding them, and sending them to Kafka at some pace."""

from stream.replay.datasets import DATASETS, detect, open_source
from stream.replay.source import CLICK, EVENTS, IMPRESSION, Choices, Source

__all__ = ["CLICK", "DATASETS", "EVENTS", "IMPRESSION", "Choices", "Source", "detect", "open_source"]

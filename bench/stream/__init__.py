"""Windowing, a bare consumer, quix-streams and Faust: the same events, on the same Kafka, in one run."""

"""Ingest against a bare loop that consumes and decodes: the same records, on the same Kafka, in one run."""

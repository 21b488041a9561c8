"""One's own topics as events: fields found in foreign records, read by event time, written once."""

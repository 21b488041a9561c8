"""Dead letters: what could not be used, told by reason, and brought into `events` once it can be."""

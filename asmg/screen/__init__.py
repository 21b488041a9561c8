"""The operator's page in a terminal: each part of it, and how they lie beside or below each other."""

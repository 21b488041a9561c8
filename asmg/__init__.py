"""The command line: composes stream, trainer, metagen and serving."""

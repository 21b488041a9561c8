"""The live view: what the stream has been like in the last minutes, and how the last period differs."""

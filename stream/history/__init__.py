"""History, windowed offline as if its events had been streamed, and what the stream then begins with."""

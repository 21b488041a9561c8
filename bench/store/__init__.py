"""How fast parts go into the stores and come back, on this machine."""

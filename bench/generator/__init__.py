"""Training and sweep of the generator against the dense computation and the machine's limits."""

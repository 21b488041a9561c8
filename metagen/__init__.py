"""Θ_t*: generators, hidden state, gate."""

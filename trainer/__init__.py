"""Θ_t: the base model, its update each period, its snapshots."""

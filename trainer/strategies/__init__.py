"""How Θ_{t-1} becomes Θ_t: the ways to update the base model that the paper compares, by name."""

"""From samples to periods: cut in Order, one manifest each, and D_t read back."""

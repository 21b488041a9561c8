"""The whole loop at a fixed rate for a long time: does memory stay flat, does anything lag."""

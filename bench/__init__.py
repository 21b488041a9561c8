"""Measurements of what the project promises about speed and memory; no tests, and not installed."""

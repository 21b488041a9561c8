"""Answers with the newest Θ_t*, and the live page."""

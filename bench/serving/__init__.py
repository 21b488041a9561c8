"""Answers over HTTP at a steady state and while models change, beside what they cannot be faster than."""

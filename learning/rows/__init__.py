"""Rows: what a decision saw, what became of it, and where that is kept."""

"""Data sets as arrays, and readers for their sources."""

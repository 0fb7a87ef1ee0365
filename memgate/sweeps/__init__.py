"""Grids of runs: their settings, and training them here or on Ray."""

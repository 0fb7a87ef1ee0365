"""Grids of runs: their settings, and their training in this process or on Ray."""

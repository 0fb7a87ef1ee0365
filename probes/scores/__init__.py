"""Scores of samples: the catalogue, the table, and how well each finds the corruption."""

"""Scores of samples: the catalogue, the table of values, and how well each score detects corrupted samples."""

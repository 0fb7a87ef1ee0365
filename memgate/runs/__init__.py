"""The run directory: create, open, list, check; the data and pictures of a run."""

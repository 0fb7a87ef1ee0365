"""Training dynamics: values per sample, computed from the log over epochs."""

"""Training dynamics: one value per sample, reduced from the log over epochs."""

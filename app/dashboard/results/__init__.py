"""Results of scores and probes for pages, cached."""

"""Out-of-distribution detection: detectors, data sets and metrics."""

"""Groups of samples by cause, route and class, and the columns that identify a sample."""

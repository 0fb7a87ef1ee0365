"""Groups of samples: by cause, by route, by filter, by name."""

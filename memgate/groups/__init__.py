"""Groups of subset runs that somebody else's program trains."""

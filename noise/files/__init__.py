"""Files and digests: read, write whole, hash."""

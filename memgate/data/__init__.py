"""Data sets as arrays, and the sources that they are read from."""

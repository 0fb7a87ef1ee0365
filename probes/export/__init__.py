"""Exports: which samples, in which shape, file format and tool's schema."""

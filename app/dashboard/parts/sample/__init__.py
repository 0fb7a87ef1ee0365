"""Sections of the Sample page."""

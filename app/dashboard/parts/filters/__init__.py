"""Sections of the page Filters."""

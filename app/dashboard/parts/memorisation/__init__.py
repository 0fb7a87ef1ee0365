"""Sections of the page Memorisation."""

"""Sections of the page Map."""

"""Sections of the page on critical samples."""

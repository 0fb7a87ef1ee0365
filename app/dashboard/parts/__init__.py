"""Sections of pages, with their widgets and the numbers that only they need."""

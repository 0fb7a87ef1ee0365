"""Sections of the Explorer."""

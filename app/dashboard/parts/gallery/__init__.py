"""Presets of the gallery, and their samples."""

"""Sections of the page on noise and hardness."""

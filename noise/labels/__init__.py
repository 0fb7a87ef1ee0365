"""Kinds of label noise: random, by class, by image, by human annotators, from files."""

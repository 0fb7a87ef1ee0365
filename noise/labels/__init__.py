"""Kinds of label noise: at random, by class, by picture, by people, from files."""

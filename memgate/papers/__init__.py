"""The papers' tables as recipes, and the authors' training curves."""

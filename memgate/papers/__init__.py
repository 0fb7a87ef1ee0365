"""The papers' tables as configurations, and the authors' training curves."""

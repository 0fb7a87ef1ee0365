"""The configuration of a run, its JSON form and its flags."""

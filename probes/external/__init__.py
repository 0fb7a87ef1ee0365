"""External hardness values and labels from other work, joined to a run's samples by id."""

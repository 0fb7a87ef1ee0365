"""The recorder: somebody else's training loop as a run with a log."""

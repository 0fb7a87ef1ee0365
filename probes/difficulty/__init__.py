"""Sample difficulty from a checkpoint: gradients and prediction depth."""

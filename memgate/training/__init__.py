"""Training: the loop, its losses and schedules, evaluation, checkpoints."""

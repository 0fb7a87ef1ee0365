"""Training: the loop, losses and schedules, evaluation, checkpoints."""

"""Batch shaping: a loss that pulls the distribution of any feature over the batch towards a prior."""

"""Other people's labels and hardness, joined by sample."""

"""Memorisation of samples, estimated from models that were trained on random subsets: a score, influence, attacks."""

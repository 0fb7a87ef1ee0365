"""A trained network as probes see it: images, checkpoints, features, outputs."""

"""Maps of samples: gate vectors, gate trajectories or features in two dimensions, and samples with similar ones."""

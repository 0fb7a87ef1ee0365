"""Gates over blocks and in residual units."""

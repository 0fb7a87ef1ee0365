"""Commands that probe trained networks: what follows memgate probe."""

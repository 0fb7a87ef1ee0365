"""Networks without gates."""

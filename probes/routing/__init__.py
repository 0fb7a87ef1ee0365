"""Routing: what each sample loses or gains when a block is skipped."""

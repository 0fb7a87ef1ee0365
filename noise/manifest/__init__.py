"""The manifest: what was done to each sample; its summary, and its exchange with other tools."""

"""What was done to a sample: specs, label and image noise, and the manifest that reproduces them."""

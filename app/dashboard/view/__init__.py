"""What is shown and who changes it: filter, selection, focus, and the URL that holds them."""

"""Filter, selection and sample that the pages show, their widgets, and their parameters in the URL."""

"""Arrays in, Plotly figures out: a module for each page, and ``layout`` for common parts. No Streamlit."""

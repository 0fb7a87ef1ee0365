"""Arrays in, Plotly figures out: a module for each page, and one for what they share. No Streamlit."""

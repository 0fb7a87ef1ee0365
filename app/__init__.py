"""The dashboard: Streamlit pages over finished and running runs. Never imports torch."""

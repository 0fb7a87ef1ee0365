"""The dashboard: pages over finished and running runs, made by Streamlit. Never imports torch."""

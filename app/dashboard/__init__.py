"""The dashboard: pages over runs, made by Streamlit."""

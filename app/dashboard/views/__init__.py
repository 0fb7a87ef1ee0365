"""The pages of the dashboard, one file each (a folder called pages/ would wake the legacy router of Streamlit)."""

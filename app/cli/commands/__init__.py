"""The commands of the command line, as frozen dataclasses with one method ``run``.

What is heavy (torch, pandas, streamlit) is imported inside ``run``, so that ``memgate --help`` answers at once.
"""

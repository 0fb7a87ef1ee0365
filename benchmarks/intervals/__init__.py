"""The intervals of the suite in their hardest corners, for ``benchmarks/interval_coverage.py``.

Imports inside are relative: the script finds this folder as ``intervals``, the tests as ``benchmarks.intervals``.
"""

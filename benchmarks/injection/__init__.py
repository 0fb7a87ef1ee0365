"""Faults for ``benchmarks/faults.py``: damaged files, hostile files, kills, full disks, and what memgate makes of them."""

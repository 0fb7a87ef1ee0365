"""Faults for ``benchmarks/faults.py``: damaged and hostile files, kills, full disks, and a verdict on each."""

"""Estimates with intervals, rankings and tables of counts."""

"""Statistics: estimates with intervals, the bootstrap, rankings and tables of counts."""

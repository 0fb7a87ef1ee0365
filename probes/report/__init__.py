"""Reports: the numbers of a run, of several runs, of a sweep, of a reproduction."""

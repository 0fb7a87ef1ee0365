"""One number per sample and why: reductions over the log, questions to the network, separation, tables."""

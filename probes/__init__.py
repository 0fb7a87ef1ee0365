"""One number per sample and why: reductions over the log, separation of corrupted from clean, questions to the network, tables."""

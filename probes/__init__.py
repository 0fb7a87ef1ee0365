"""One number per sample and why: reductions over the log, separation of corrupted from clean, tables."""

"""Numerical kernels on arrays: numpy, scipy.sparse and torch. Knows no AnnData, no files, no plots."""

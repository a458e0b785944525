"""Slices of one tissue laid over each other."""

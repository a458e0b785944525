"""Slices that were measured apart: components of expression without the effect of the batch."""

"""Trained models: a module with ``loss(batch) -> dict``, its frozen settings, and what turns arrays into batches."""

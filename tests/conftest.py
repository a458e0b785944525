"""Shared fixtures: a fresh generator, and the real data sets where they are present."""

import os
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20260101)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the real data sets; skips the test, with the reason, where it is absent."""
    folder = Path(os.environ.get("SPOTWEAVE_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data sets not found in {folder}: set SPOTWEAVE_DATA")
    return folder

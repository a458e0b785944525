import subprocess
import sys
from dataclasses import FrozenInstanceError, fields

import pytest

from spotweave.models.gene_mae_params import GeneMaeParams


def test_settings_are_fixed_and_explained():
    params = GeneMaeParams()
    with pytest.raises(FrozenInstanceError):
        params.width = 3  # type: ignore[misc]
    assert all(field.default is not None for field in fields(params))
    assert params.width % params.n_heads == 0


def test_reading_settings_does_not_import_torch():
    code = "import sys; import spotweave.models.gene_mae_params; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"

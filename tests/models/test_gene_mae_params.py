import subprocess
import sys
from dataclasses import FrozenInstanceError, fields

import pytest

from spotweave import InputError
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


@pytest.mark.parametrize(
    "settings",
    [
        {"width": 9},
        {"batch_size": 0},
        {"held_out": 2},
        {"held_out": 0},
        {"n_latent": 0},
        {"masked": 1.5},
        {"max_steps": 0},
        {"n_rounds": 0},
        {"n_modules": 0},
        {"contrast": -1},
        {"temperature": 0},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        GeneMaeParams(**settings)

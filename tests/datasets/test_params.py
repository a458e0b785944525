import inspect
from dataclasses import asdict
from typing import Any

import pytest

from spotweave import InputError
from spotweave.datasets import simulate_tissue
from spotweave.datasets._params import TissueParams


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_obs": 0}, "`n_obs`.*found 0"),
        ({"n_obs": 10.5}, "whole number.*10.5"),
        ({"n_obs": 4, "n_domains": 5}, "`n_domains`.*1 to 4.*found 5"),
        ({"n_obs": 20, "n_domains": 6, "n_slices": 4}, "`n_domains`.*1 to 5"),
        ({"n_obs": 3, "n_domains": 1, "n_slices": 4}, "`n_slices`.*1 to 3"),
        ({"n_genes": 0}, "`n_genes`"),
        ({"n_types": 0}, "`n_types`.*found 0"),
        ({"n_types": True}, "`n_types`.*found True"),
        ({"layout": "stripes"}, "`layout`.*'layers'.*found 'stripes'"),
        ({"resolution": "bin"}, "`resolution`.*found 'bin'"),
        ({"signal": 1.5}, "`signal`.*0 to 1"),
        ({"library_size": float("nan")}, "`library_size`.*nan"),
        ({"overdispersion": -0.1}, "`overdispersion`"),
        ({"dropout": 1.0}, "`dropout`"),
        ({"batch_effect": "big"}, "`batch_effect`.*'big'"),
    ],
)
def test_params_out_of_range_raise(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        simulate_tissue(**arguments)


def test_params_defaults_are_those_of_the_public_function() -> None:
    signature = inspect.signature(simulate_tissue).parameters
    for name, default in asdict(TissueParams()).items():
        assert signature[name].default == default


@pytest.mark.parametrize(("n_obs", "n_slices"), [(7, 3), (9, 3), (5, 5), (11, 1)])
def test_slice_sizes_are_even_and_complete(n_obs: int, n_slices: int) -> None:
    sizes = TissueParams(n_obs=n_obs, n_slices=n_slices, n_domains=1).slice_sizes
    assert sum(sizes) == n_obs
    assert max(sizes) - min(sizes) <= 1

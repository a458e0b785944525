"""Settings of the network are checked."""

import pytest

from spotweave import InputError
from spotweave.models.histology_params import HistologyParams


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"predict": "none"}, "`predict` out of"),
        ({"retrieval": "best"}, "`retrieval` out of"),
        ({"image_graphs": ("spatial", "time")}, "`image_graphs` out of"),
        ({"expression_graphs": ("types",)}, "`expression_graphs` out of"),
        ({"width": 0}, "`width` to be a whole number"),
        ({"n_heads": 2.0}, "`n_heads` to be a whole number"),
        ({"batch_size": 0}, "`batch_size` to be"),
        ({"dropout": 1.0}, "`dropout` to be a number from 0 to 0.95"),
        ({"temperature": 2.0}, r"`temperature` to be a number from 0.01 to 1 \(it is kept there"),
        ({"contrast_weight": -1.0}, "`contrast_weight` to be"),
        ({"width": 10}, "`width` to be a multiple of `n_heads`; found 10 and 4"),
        ({"predict": "retrieval", "contrast_weight": 0.0}, "above 0 with predict='retrieval'; found 0. Only"),
    ],
    ids=lambda value: "_".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else "",
)
def test_wrong_settings_are_errors(change, message):
    with pytest.raises(InputError, match=message):
        HistologyParams(**change)


def test_head_alone_needs_no_contrast():
    assert HistologyParams(predict="head", contrast_weight=0.0).contrast_weight == 0

import re
from typing import Any

import numpy as np
import pytest

import spotweave as sw
from spotweave._demo_histology import FromPicture, from_picture


@pytest.fixture
def seen(predicted_result, domains_result) -> FromPicture:
    """Hand-made predictions with their counts; three of six genes follow the picture."""
    X: Any = sw.pp.normalize(domains_result, target_sum=1e4, copy=True)
    predicted_result.layers["measured"] = X[:, domains_result.var_names.get_indexer(predicted_result.var_names)]
    return FromPicture(predicted_result, domains_result, np.array([True, True, False, False, True, False]))


def test_what_is_said_is_that_of_the_predictions(seen):
    lines = from_picture(seen)
    X, Y = seen.predicted.X, seen.predicted.layers["measured"].toarray()
    r = np.array([np.corrcoef(X[:, j], Y[:, j])[0, 1] for j in range(6)])
    said = [re.search(r"([-\d.]+)  \((\d) genes\)$", line) for line in lines[1:4]]
    assert [(m[1], m[2]) for m in said if m] == [
        (f"{r[[0, 1, 4]].mean():.3f}", "3"),
        (f"{r[[2, 3, 5]].mean():.3f}", "3"),
        (f"{r[[0, 1, 3]].mean():.3f}", "3"),
    ]
    assert lines[4].endswith("2 of 3 that follow the picture, 1 of 3 that do not")
    assert "0.80" in lines[5]


def test_none_called_is_said_without_a_mean(seen):
    seen.predicted.var["predictable"] = False
    lines = from_picture(seen)
    assert lines[3].endswith("nan  (0 genes)")
    assert "0 of 3 that follow" in lines[4]

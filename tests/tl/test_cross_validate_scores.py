"""Scores of a section, and their mean over patients."""

import numpy as np
import pandas as pd
import pytest

from spotweave.tl import _cross_validate_scores as scores
from spotweave.tl._cross_validate_scores import Truth, score_section, summarise

LABEL = {"method": "m", "fold": 0, "group": "P", "section": "S"}


def test_means_over_highest_and_predictable_genes(monkeypatch):
    monkeypatch.setattr(scores, "N_HIGHEST", 2)
    rng = np.random.default_rng(0)
    Y, Q = rng.normal(size=(2, 13, 5)) + 3
    Y[:, 3] = 1.0  # says nothing
    columns = np.array([True, True, False, True, True])
    genes = pd.DataFrame(
        {"mean": [1.0, 5.0, 9.0, 7.0, 2.0], "predictable": [True, False, True, True, True]},
        index=list("abcde"),
    )
    found = score_section(LABEL, Truth(columns, Y[:, columns]), Q, genes, 1.5)
    r = [np.corrcoef(Y[:, j], Q[:, j])[0, 1] if j != 3 else np.nan for j in (0, 1, 3, 4)]
    np.testing.assert_allclose(found.genes["pearson"], r)
    assert list(found.genes["gene"]) == list("abde")
    assert list(found.genes)[:5] == ["method", "fold", "group", "section", "gene"]
    row = found.section
    assert row["pearson"] == pytest.approx(np.mean([r[0], r[1], r[3]]))
    assert row["pearson_heg"] == pytest.approx(r[1])  # b and d have the highest means, d no defined correlation
    assert row["pearson_predictable"] == pytest.approx(np.mean([r[0], r[3]]))
    assert (row["n_spots"], row["n_genes"], row["n_predictable"], row["seconds"]) == (13, 3, 3, 1.5)


def table(**methods):
    """Two patients with ten sections each."""
    names = [f"S{k}" for k in range(20)]
    parts = [
        pd.DataFrame({"method": m, "group": np.repeat(["A", "B"], 10), "section": names, "pearson": values}).assign(
            spearman=0.5, r2=np.nan, pearson_heg=0.25, pearson_predictable=np.r_[np.nan, np.ones(19)], n_predictable=2
        )
        for m, values in methods.items()
    ]
    return pd.concat(parts, ignore_index=True)


def test_intervals_are_over_patients_and_margins_section_by_section():
    rng = np.random.default_rng(1)
    base = np.repeat([0.1, 0.9], 10)
    found = summarise(table(b=base + 0.05, mean=np.zeros(20), depth=base), ("mean", "depth"), n_boot=500, seed=0)
    assert list(found.index) == ["b", "mean", "depth"]
    row = found.to_dict("index")["b"]
    assert row["pearson"] == pytest.approx(0.55)
    assert [row["lower"], row["upper"]] == pytest.approx([0.15, 0.95])  # a draw may hold one patient alone
    margins = [row[f"margin_depth{end}"] for end in ("", "_lower", "_upper")]
    assert margins == pytest.approx([0.05] * 3)  # patients differ, the difference does not
    assert row["margin_mean"] == pytest.approx(0.55)
    assert found.loc["depth", "margin_depth"] == 0
    assert [row[k] for k in ("spearman", "pearson_heg", "pearson_predictable", "n_predictable")] == [0.5, 0.25, 1.0, 2]
    assert np.isnan(row["r2"])
    shuffled = table(b=base + 0.05, mean=np.zeros(20), depth=base).sample(frac=1, random_state=rng.integers(9))
    again = summarise(shuffled, ("mean", "depth"), n_boot=500, seed=0)
    assert again.loc["b", "margin_depth_upper"] == pytest.approx(0.05)  # sections are matched by name

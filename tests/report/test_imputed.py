import re

import numpy as np
import pandas as pd
import pytest

import spotweave as sw
from spotweave._report import _imputed, _pictures
from spotweave._report._context import Context
from spotweave.pl._figure import new_figure


@pytest.fixture
def few(monkeypatch):
    """One gene on maps in the place of four, and no ink: pictures take time."""
    monkeypatch.setattr(_imputed, "_GENES", 1)
    monkeypatch.setattr(_pictures, "_pixels", lambda _: np.zeros((8, 8, 4), np.uint8))


def section_of(adata, **options):
    found = _imputed.imputed(Context(adata, **options))
    return None if found is None else Part(found.html)


class Part:
    """Text, pictures and rows of the section."""

    def __init__(self, html):
        self.html = str(html)
        self.words = " ".join(re.sub(r"<[^>]+>", " ", self.html).replace("&#39;", "'").split())
        self.pictures = re.findall(r'alt="([^"]*)" src="data:image/png;base64,', self.html.replace("&#39;", "'"))
        rows = re.findall(r"<tr.*?</tr>", self.html, re.S)
        self.rows = [[re.sub(r"<[^>]+>", "", c) for c in re.findall(r"<t[hd].*?</t[hd]>", r, re.S)] for r in rows]


def best_genes(adata, n):
    return adata.var["expected_correlation"].sort_values(ascending=False).index[:n].tolist()


def test_page_of_imputed_genes_holds_what_fits_them_and_needs_no_network(imputed_result, tmp_path):
    imputed_result.obs["domain"] = pd.Categorical(np.arange(154) % 2)  # labels that came along from the panel
    path = sw.report(imputed_result, tmp_path / "r.html")
    html = path.read_text(encoding="utf-8")
    assert re.findall(r'<section id="([^"]*)"', html) == ["summary", "map", "imputed"]
    urls = re.findall(r'(?:href|src)="([^"]*)"', html)
    assert all(url.startswith(("#", "data:")) for url in urls)
    assert html.count('alt="Maps of new') == 4
    assert path.stat().st_size < 1_500_000


def test_trust_stays_where_there_is_a_run(imputed_result, domains_result, tmp_path):
    imputed_result.obs["domain"] = domains_result.obs["domain"]
    imputed_result.uns["domain"] = domains_result.uns["domain"]
    assert '<section id="trust"' in sw.report(imputed_result, tmp_path / "r.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("few")
def test_statement_and_checks_say_what_predictions_are_worth(imputed_result):
    words = section_of(imputed_result).words
    start = "Expected counts of 40 genes that were not measured, predicted (method combined) from 30 shared genes "
    assert words.startswith(start + "(names: exact) and 700 reference cells.")
    result = imputed_result.uns["impute"]
    held = result["held_out"]
    assert (
        "good: Panel genes that were held out correlate with their counts, beyond depth, at a median of 0.20;" in words
    )
    assert f"above 0 are {(held['residual_r'] > 0).sum()} of 30." in words
    assert "good: Expected and found correlations of held-out genes correlate at 0.60." in words
    mean, (low, high) = held["coverage_90"].mean(), held["coverage_90"].quantile([0.1, 0.9])
    assert f"Intervals for 90% of the cells hold {100 * mean:.1f}% of the counts" in words
    assert f"of the middle 80% of genes {100 * low:.0f}% to {100 * high:.0f}%." in words
    assert "caution: Of 7 held-out genes whose counts show no pattern, 3 were given one." in words
    assert "found are 43%" in words
    assert "caution: The level of a gene is known to a factor of about 2.0." in words
    assert "caution: Predictions: do not test them." in words
    assert "converge." not in words


@pytest.mark.usefixtures("few")
def test_poor_runs_are_called_so(imputed_result):
    result = imputed_result.uns["impute"]
    held = result["held_out"]
    held["residual_r"], held["coverage_90"] = -held["residual_r"].abs(), 0.7
    result |= {"converged": False, "quality_correlation": 0.1, "false_patterns": {"n_flat": 0, "n_patterned": 0}}
    words = section_of(imputed_result).words
    assert "caution: Panel genes that were held out correlate" in words
    assert "above 0 are 0 of 30. Predictions tell cells apart no better than their depth does." in words
    assert "caution: Expected and found correlations of held-out genes correlate at 0.10." in words
    assert "caution: Intervals for 90% of the cells hold 70.0%" in words
    assert "unknown: No held-out gene is flat." in words
    assert "caution: The fit of the weights did not converge." in words
    result |= {"false_patterns": {"n_flat": 40, "n_patterned": 2}}
    assert (
        "good: Of 40 held-out genes whose counts show no pattern, 2 were given one." in section_of(imputed_result).words
    )


@pytest.mark.usefixtures("few")
def test_tables_are_of_the_best_genes_coverage_and_weights(imputed_result):
    part = section_of(imputed_result)
    best = best_genes(imputed_result, 15)
    rows = {row[0]: row[1:] for row in part.rows}
    assert [row[0] for row in part.rows if row[0].startswith("new")] == best
    var = imputed_result.var.loc[best[3]]
    numbers = [var["expected_correlation"], var["pattern"], var["mean"], var["moran"]]
    assert [float(cell) for cell in rows[best[3]]] == pytest.approx(numbers, rel=5e-3, abs=5e-3)
    held = imputed_result.uns["impute"]["held_out"]
    assert rows["80%"][0] == f"{100 * held['coverage_80'].mean():.1f}%"
    caption = next(i for i, row in enumerate(part.rows) if row[-1] == "weight")
    weights = [[cell.replace("&#39;", "'") for cell in row] for row in part.rows[caption + 1 :]]
    assert weights[0] == ["the cell's own depth", "0.95"]
    assert weights[2] == ["averaged over neighbours, 4 steps", "0.20"]
    assert weights[4] == ["depth of its neighbours", "−0.02"]
    assert part.pictures == [
        f"Maps of {best[0]} as predicted",
        "Held-out genes: correlation beyond depth, Moran's I, and coverage of the intervals",
    ]


@pytest.mark.usefixtures("few")
def test_many_slides_and_cells_are_cut_and_it_says_so(imputed_result, monkeypatch):
    monkeypatch.setattr(_imputed, "MAX_CELLS", 20)
    monkeypatch.setattr("spotweave._report._denoised.MAX_CELLS", 20)
    drawn: list = []

    def draw(panels, **_):
        drawn.append(panels)
        return new_figure(1, 1)

    monkeypatch.setattr(_imputed, "draw_grid", draw)
    imputed_result.obs["slide"] = pd.Categorical(np.arange(154) // 31)
    words = section_of(imputed_result).words
    assert [len(panels) for panels in drawn] == [6]
    assert {len(p.xy) for p in drawn[0]} == {20}
    assert "The first 3 of 5 slides are shown." in words
    assert "No more than 20 cells of a slide are drawn." in words
    assert "Beside them the width of the interval" in words


@pytest.mark.usefixtures("few")
def test_only_what_is_there(imputed_result, domains_result):
    assert section_of(domains_result) is None
    del imputed_result.obsm["spatial"]
    imputed_result.layers.clear()
    result = imputed_result.uns["impute"]
    result["held_out"] = result["held_out"][["mean"]]
    for key in ("weights", "false_patterns", "level", "quality_correlation", "note", "params", "n_shared"):
        del result[key]
    part = section_of(imputed_result)
    assert part.words.startswith("Expected counts of 40 genes that were not measured, predicted. ? unknown")
    assert part.words.count("good: ") == part.words.count("caution: ") == 0
    assert part.pictures == []
    assert "inside their intervals" not in part.words


@pytest.mark.usefixtures("few")
def test_names_are_escaped(imputed_result):
    imputed_result.uns["impute"]["note"] = "<script>alert(1)</script>"
    imputed_result.var_names = [f'{name}"><i>' for name in imputed_result.var_names]
    html = section_of(imputed_result).html
    assert "<script>" not in html
    assert '"><i>' not in html

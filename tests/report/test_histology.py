import re

import numpy as np
import pandas as pd
import pytest

import spotweave as sw
from spotweave._report import _histology, _pictures
from spotweave._report._context import Context
from spotweave._report._histology_layers import histology_layers
from spotweave._report._map import map_data
from spotweave.pl._figure import new_figure


@pytest.fixture
def few(monkeypatch):
    """One gene on maps in the place of four, and no ink: pictures take time."""
    monkeypatch.setattr(_histology, "_GENES", 1)
    monkeypatch.setattr(_pictures, "_pixels", lambda _: np.zeros((8, 8, 4), np.uint8))


@pytest.fixture
def measured(predicted_result, domains_result):
    """Measured values beside the predictions."""
    X = sw.pp.normalize(domains_result, target_sum=1e4, copy=True)
    predicted_result.layers["measured"] = X[:, domains_result.var_names.get_indexer(predicted_result.var_names)]
    return predicted_result


class Part:
    """Text, pictures and rows of the section."""

    def __init__(self, html):
        self.html = str(html)
        self.words = " ".join(re.sub(r"<[^>]+>", " ", self.html).replace("&lt;", "<").split())
        self.pictures = re.findall(r'alt="([^"]*)" src="data:image/png;base64,', self.html)
        rows = re.findall(r"<tr.*?</tr>", self.html, re.S)
        self.rows = [[re.sub(r"<[^>]+>", "", c) for c in re.findall(r"<t[hd].*?</t[hd]>", r, re.S)] for r in rows]


def section_of(adata, **options):
    found = _histology.histology(Context(adata, **options))
    return None if found is None else Part(found.html)


def test_page_of_predictions_holds_what_fits_them_and_needs_no_network(measured, histology_scores_result, tmp_path):
    tables = {"sections": histology_scores_result.sections, "summary": histology_scores_result.summary}
    measured.uns["histology_scores"] = tables
    measured.obs["domain"] = pd.Categorical(np.arange(154) % 2)  # labels that came along
    measured.write_h5ad(tmp_path / "p.h5ad")
    path = sw.report(sw.io.read(tmp_path / "p.h5ad"), tmp_path / "r.html")
    html = path.read_text(encoding="utf-8")
    assert re.findall(r'<section id="([^"]*)"', html) == ["summary", "map", "histology"]
    assert all(url.startswith(("#", "data:")) for url in re.findall(r'(?:href|src)="([^"]*)"', html))
    assert html.count('alt="Maps of gene') == 3
    assert path.stat().st_size < 1_500_000


@pytest.mark.usefixtures("few")
def test_statement_and_checks_say_what_predictions_are_worth(measured):
    words = section_of(measured).words
    start = "Expression of 6 genes in 154 spots, predicted from the stained picture (method network)."
    assert words.startswith(start + " It was trained on 2 sections (T1, T2:b) of 2 patients.")
    mean = measured.var["held_out_pearson"].mean()
    assert (
        f"good: Of 3 of 6 genes it was shown that the picture tells something (q < 0.05); mean held-out correlation {mean:.2f}"
        in words
    )
    assert "good: The evidence comes from patients that were left out." in words
    assert "good: As a whole the slides look like those that were trained on." in words
    share = measured.obs["out_of_distribution"].mean()
    assert f"caution: {share:.1%} of the spots are unlike any training tile." in words
    X, Y = measured.X, measured.layers["measured"].toarray()
    r = np.array([[np.corrcoef(X[s, j], Y[s, j])[0, 1] for j in range(6)] for s in (slice(0, 77), slice(77, None))])
    every, best = r.mean(), r[:, measured.var["predictable"]].mean()
    assert f"what was measured at a mean of {every:.2f}, those called predictable at {best:.2f}." in words


@pytest.mark.usefixtures("few")
def test_poor_runs_are_called_so(predicted_result):
    result = predicted_result.uns["histology"]
    predicted_result.var["predictable"] = False
    result |= {
        "inner_kind": "strip",
        "slide_novelty": {"A": 0.5, "B": 3.21},
        "params": {"target": "legacy_gene_scaled"},
    }
    words = section_of(predicted_result).words
    assert "caution: Of 0 of 6 genes it was shown" in words
    assert "caution: The evidence comes from strips that were left out, and not from patients." in words
    assert "caution: Unlike the training slides as a whole: B (3.2 times the limit)." in words
    assert "caution: The target is legacy gene scaled: depth of the spots is in it." in words
    assert "what was measured" not in words


@pytest.mark.usefixtures("few")
def test_tables_of_genes_slides_sources_and_methods(measured, histology_scores_result):
    measured.uns["histology_scores"] = histology_scores_result.summary  # the table alone: no picture of sections
    part = section_of(measured)
    rows = {row[0]: row[1:] for row in part.rows}
    genes = [row[0] for row in part.rows if row[0].startswith("gene") and len(row[0]) > 4]
    assert genes == ["gene0", "gene1", "gene8", "gene5", "gene6", "gene3"]
    X, Y = measured.X[:, 1], measured.layers["measured"].toarray()[:, 1]
    r = np.mean([np.corrcoef(X[s], Y[s])[0, 1] for s in (slice(0, 77), slice(77, None))])
    assert rows["gene1"] == ["0.41", "0.17", "0.01", f"{r:.2f}", "yes"]
    assert rows["gene8"][2:] == ["4e−04", rows["gene8"][3], "yes"]
    assert rows["gene3"][0] == "−0.05"
    assert rows["gene3"][-1] == "no"
    odd = measured.obs["out_of_distribution"].to_numpy()
    assert rows["B"] == ["77", "0.80", f"{odd[77:].mean():.1%}"]
    names, weights = measured.obsm["retrieved"].to_numpy(), measured.obsm["retrieved_weight"]
    share = weights[np.char.startswith(names.astype(str), "T2:b:")].sum() / weights.sum()
    assert rows["T2:b"] == [f"{share:.0%}"]
    network = histology_scores_result.summary.loc["network"]
    assert rows["network"] == [*(f"{network[c]:.3f}" for c in ("pearson", "lower", "upper", "r2")), "0.300", "4.5", "–"]
    assert [row[0] for row in part.rows[-4:]] == ["network", "ridge", "depth (oracle)", "mean (no image)"]
    assert part.pictures == ["Maps of gene1 as predicted"]


@pytest.mark.usefixtures("few")
def test_many_slides_and_spots_are_cut_and_pictures_are_shown_once(predicted_result, monkeypatch):
    monkeypatch.setattr(_histology, "MAX_CELLS", 20)
    monkeypatch.setattr("spotweave._report._denoised.MAX_CELLS", 20)
    monkeypatch.setattr(_histology, "_GENES", 2)
    drawn: list = []

    def draw(parts, **_):
        drawn.append(parts)
        return new_figure(1, 1)

    monkeypatch.setattr(_histology, "draw_shown", draw)
    predicted_result.obs["slide"] = pd.Categorical((np.arange(154) // 31).astype(str))
    predicted_result.uns["histology"]["slide_novelty"] = {str(i): 0.5 for i in range(5)}
    picture = {"images": {"hires": np.zeros((40, 70, 3))}}
    predicted_result.uns["spatial"] = {str(i): picture for i in range(5)}
    part = section_of(predicted_result)
    assert [[p.picture for p in parts] for parts in drawn] == [[False] * 3, [False] * 3, [True] * 3]
    assert {len(p.panel.xy) for p in drawn[0]} == {20}
    assert "The first 3 of 5 slides are shown." in part.words
    assert "No more than 20 spots of a slide are drawn." in part.words
    assert len(part.pictures) == 3


@pytest.mark.usefixtures("few")
def test_only_what_is_there(predicted_result, domains_result):
    assert section_of(domains_result) is None
    assert histology_layers(Context(domains_result)) == []
    for slot in ("spatial", "retrieved", "retrieved_weight"):
        del predicted_result.obsm[slot]
    predicted_result.obs = predicted_result.obs[["slide"]]
    predicted_result.uns["histology"] = {}
    part = section_of(predicted_result)
    assert part.words.startswith("Expression of 6 genes in 154 spots, predicted from the stained picture. ✓ good: Of 3")
    assert "unknown: What was left out to judge genes is not stored." in part.words
    assert part.pictures == []
    assert "share of the weight" not in part.words
    assert "r here" not in part.words


def test_map_lets_genes_be_chosen_measured_beside_predicted(measured):
    layers = histology_layers(Context(measured))
    assert [layer.name for layer in layers[:4]] == [
        f"{g}, {s}" for g in ("gene1", "gene8") for s in ("measured", "predicted")
    ]
    np.testing.assert_allclose(layers[1].values, measured.X[:, 1])
    np.testing.assert_allclose(layers[0].values, measured.layers["measured"].toarray()[:, 1])
    assert layers[-1].limits == (0.0, 2.0)
    data = map_data(Context(measured))
    assert [layer["name"] for layer in data["layers"]] == [layer.name for layer in layers]
    assert {layer["digits"] for layer in data["layers"]} == {2}
    assert [slide["name"] for slide in data["slides"]] == ["A", "B"]


@pytest.mark.usefixtures("few")
def test_names_are_escaped(predicted_result):
    predicted_result.uns["histology"]["trained_on"] = ["<script>alert(1)</script>"]
    predicted_result.var_names = [f'{name}"><i>' for name in predicted_result.var_names]
    html = section_of(predicted_result).html
    assert "<script>" not in html
    assert '"><i>' not in html

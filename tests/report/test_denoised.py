import io
import re
from base64 import b64decode

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import spotweave as sw
from spotweave._report import _denoised
from spotweave._report._context import Context
from spotweave.pl._figure import new_figure


@pytest.fixture
def few(monkeypatch):
    """Two genes on maps in the place of six: pictures take time."""
    monkeypatch.setattr(_denoised, "_GENES", 2)


def section_of(adata, **options):
    found = _denoised.denoised(Context(adata, **options))
    return None if found is None else Part(found.html)


class Part:
    """Text and pictures of the section."""

    def __init__(self, html):
        self.html = str(html)
        self.words = " ".join(re.sub(r"<[^>]+>", "", self.html).replace("&#39;", "'").split())
        self.pictures = dict(re.findall(r'alt="([^"]*)" src="data:image/png;base64,([^"]*)"', self.html))

    def size(self, alt):
        return Image.open(io.BytesIO(b64decode(self.pictures[alt]))).size


def best_genes(adata, n=2):
    table = adata.varm["denoised"]
    return (table["deviance_mean"] - table["deviance"]).sort_values(ascending=False).index[:n].tolist()


def test_section_stands_on_the_page_and_needs_no_network(denoised_result, markers_table, tmp_path):
    path = sw.report(denoised_result, tmp_path / "r.html", markers=markers_table)
    html = path.read_text(encoding="utf-8")
    order = [html.index(f'<section id="{name}"') for name in ("markers", "denoised", "training")]
    assert order == sorted(order)
    urls = re.findall(r'(?:href|src)="([^"]*)"', html)
    assert all(url.startswith(("#", "data:")) for url in urls)
    assert html.count('alt="Maps of gene') == 6
    assert path.stat().st_size < 3_000_000


@pytest.mark.usefixtures("few")
def test_statement_says_what_was_done(denoised_result):
    words = section_of(denoised_result).words
    start = "Expected counts of 9 genes at each cell's own depth, estimated by gmm_vgae with a negative binomial likelihood."
    assert words.startswith(start)
    table = denoised_result.varm["denoised"]
    parts = [f"{table[f'weight_{name}'].mean():.0%} from" for name in ("latent", "neighbors", "own")]
    assert "The spatial graph was used: on average an estimate comes " + parts[0] in words
    assert all(part in words for part in parts)
    ours, of_mean = table["deviance"].mean(), table["deviance_mean"].mean()
    held_out = f"{ours:.4g} per cell and gene, {of_mean:.4g} by the genes' means, {1 - ours / of_mean:.1%} less"
    assert held_out in words
    assert "It is less for 8 of 9 genes." in words
    assert "caution: Estimates share noise: do not test them." in words


@pytest.mark.usefixtures("few")
def test_statement_of_a_poor_run(denoised_result):
    table = denoised_result.varm["denoised"]
    table["deviance"] = table["deviance_mean"] * 1.1
    table["weight_neighbors"] = 0.0
    denoised_result.uns["denoised"] = {"params": {"method": "factor", "likelihood": "poisson"}}
    words = section_of(denoised_result).words
    assert "estimated by factor with a Poisson likelihood. The spatial graph was not used" in words
    assert "caution: Held-out counts are not predicted better than by the genes' means" in words
    assert "do not test" not in words


@pytest.mark.usefixtures("few")
def test_maps_are_of_the_genes_with_most_gain(denoised_result):
    denoised_result.varm["denoised"].loc["gene4", "deviance"] = np.nan  # the largest gain otherwise
    part = section_of(denoised_result)
    genes = best_genes(denoised_result)
    assert "gene4" not in genes
    assert list(part.pictures)[:2] == [f"Maps of {gene}, measured and denoised" for gene in genes]
    assert "The genes whose held-out deviance fell most." in part.words
    width, height = part.size(f"Maps of {genes[0]}, measured and denoised")
    assert width > 600
    one_slide = section_of(denoised_result[:77].copy())
    assert height > 1.5 * one_slide.size(f"Maps of {genes[0]}, measured and denoised")[1]  # two rows


@pytest.mark.usefixtures("few")
def test_many_slides_and_cells_are_cut_and_it_says_so(denoised_result, monkeypatch):
    monkeypatch.setattr(_denoised, "MAX_CELLS", 20)
    drawn: list = []

    def draw(panels, **_):
        drawn.append(panels)
        return new_figure(1, 1)

    monkeypatch.setattr(_denoised, "draw_grid", draw)
    denoised_result.obs["slide"] = pd.Categorical(np.arange(154) // 31)
    words = section_of(denoised_result).words
    assert [len(panels) for panels in drawn] == [6] * 2
    assert {len(p.xy) for panels in drawn for p in panels} == {20}
    panel = drawn[0][0]
    place = {tuple(xy): i for i, xy in enumerate(denoised_result.obsm["spatial"])}
    rows = [place[tuple(xy)] for xy in panel.xy]
    counts = denoised_result.X.toarray()
    shown = panel.values.name.split(" ")[0]
    expected = counts[:, denoised_result.var_names.get_loc(shown)] / counts.sum(axis=1) * np.median(counts.sum(axis=1))
    np.testing.assert_allclose(panel.values.values, np.log1p(expected)[rows], rtol=1e-5)
    assert "The first 3 of 5 slides are shown." in words
    assert "No more than 20 cells of a slide are drawn." in words


@pytest.mark.usefixtures("few")
def test_violins_are_of_the_first_marker_of_each_domain_that_was_denoised(denoised_result, markers_table):
    kept = ["gene3", "gene1", "gene2", "gene7"]
    columns = denoised_result.to_df("denoised")[kept]
    denoised_result.obsm["denoised"] = columns
    del denoised_result.layers["denoised"]
    part = section_of(denoised_result, markers=markers_table)
    assert "Expected counts of 4 genes" in part.words
    assert "Expression of gene3, gene1, gene2 by domain, measured and denoised" in part.pictures
    assert sum(alt.startswith("Maps of") for alt in part.pictures) == 2


@pytest.mark.usefixtures("few")
def test_violins_without_markers_show_the_genes_of_the_maps(denoised_result):
    names = ", ".join(best_genes(denoised_result))
    assert f"Expression of {names} by domain, measured and denoised" in section_of(denoised_result).pictures


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("lost", ["domains", "coordinates", "scores", "counts"])
def test_only_what_is_there(denoised_result, lost):
    if lost == "domains":
        del denoised_result.obs["domain"]
    elif lost == "coordinates":
        del denoised_result.obsm["spatial"]
    elif lost == "scores":
        del denoised_result.varm["denoised"]
    else:
        denoised_result.X = denoised_result.X * 0.5
    part = section_of(denoised_result)
    kinds = [alt.split(" ")[0] for alt in part.pictures]
    assert ("Expression" in kinds) is (lost not in {"domains", "counts"})
    assert ("Maps" in kinds) is (lost not in {"coordinates", "counts"})
    assert ("Moran's" in kinds or "Moran&#39;s" in kinds) is (lost != "scores")
    if lost == "scores":
        assert "unknown: No deviance of held-out counts is stored" in part.words
        assert "The first genes." in part.words


def test_no_section_without_results(domains_result, denoised_result):
    del denoised_result.layers["denoised"]  # the same object as domains_result
    assert section_of(denoised_result) is None
    del denoised_result.uns["denoised"]
    assert section_of(domains_result) is None


@pytest.mark.usefixtures("few")
def test_names_are_escaped(denoised_result):
    denoised_result.uns["denoised"]["warning"] = "<script>alert(1)</script>"
    denoised_result.var_names = [f'{name}"><i>' for name in denoised_result.var_names]
    denoised_result.varm["denoised"].index = denoised_result.var_names
    html = section_of(denoised_result).html
    assert "<script>" not in html
    assert '"><i>' not in html

import re

import numpy as np
import pandas as pd
import pytest

import spotweave as sw
from spotweave._report import _spatial_genes
from spotweave._report._context import Context
from spotweave.pl._figure import new_figure
from spotweave.pl._gene_map import gene_embedding


@pytest.fixture(autouse=True)
def components(monkeypatch):
    """Principal components in the place of UMAP, which takes seconds to compile."""
    monkeypatch.setattr(_spatial_genes, "gene_embedding", lambda adata: gene_embedding(adata, method="pca"))


def section_of(adata, **options):
    found = _spatial_genes.spatial_genes(Context(adata, **options))
    return None if found is None else Part(found.html)


class Part:
    """Text, pictures and rows of the section."""

    def __init__(self, html):
        self.html = str(html)
        self.words = " ".join(re.sub(r"<[^>]+>", "", self.html).replace("&#39;", "'").split())
        self.pictures = re.findall(r'alt="([^"]*)" src="data:image/png;base64,', self.html)
        rows = re.findall(r"<tr title.*?</tr>", self.html, re.S)
        self.rows = [[re.sub(r"<[^>]+>", "", c) for c in re.findall(r"<t[hd].*?</t[hd]>", r, re.S)] for r in rows]


def test_section_stands_on_the_page_and_needs_no_network(modules_result, tmp_path):
    path = sw.report(modules_result, tmp_path / "r.html")
    html = path.read_text(encoding="utf-8")
    order = [html.index(f'<section id="{name}"') for name in ("map", "spatial-genes", "data")]
    assert order == sorted(order)
    assert '<a href="#spatial-genes">Genes in space</a>' in html
    urls = re.findall(r'(?:href|src)="([^"]*)"', html)
    assert all(url.startswith(("#", "data:")) for url in urls)
    assert path.stat().st_size < 1_000_000


def test_statement_and_pictures(modules_result):
    part = section_of(modules_result)
    called = int((modules_result.var["svg_qvalue"] <= 0.05).sum())
    n = int(modules_result.var["gene_module"].notna().sum())
    start = f"{called} of 40 genes vary in space at a false discovery rate of 5% (not tested, as found on too few "
    assert part.words.startswith(start + f"cells: 1). {n} genes form 3 modules of like pattern.")
    assert part.pictures == [
        "Size of the spatial pattern against significance, a dot for each gene",
        "Mean expression of 3 gene modules on the tissue",
        "Map of the genes: like patterns lie together",
    ]
    assert "Score by number of modules" in part.html


def test_table_has_the_most_significant_genes(modules_result):
    modules_result.var["symbol"] = [f"S{i}" for i in range(41)]
    modules_result.var.loc["gene_05", ["svg_pvalue", "svg_qvalue"]] = 1e-300
    modules_result.var.loc["gene_05", ["svg_scale", "svg_effect"]] = [12_345.6, 0.5]
    rows = section_of(modules_result).rows
    var = modules_result.var[modules_result.var["svg_qvalue"] <= 0.05].sort_values("svg_qvalue")
    assert len(rows) == 15
    assert [r[0] for r in rows] == var["symbol"].tolist()[:15]
    moran = f"{var['svg_moran'].iloc[0]:.2f}".replace("-", "−")
    assert rows[0] == ["S4", "0.50", "&lt; 1e−300", "12,346", moran]
    second = var.iloc[1]
    assert rows[1][1:4] == [
        f"{second['svg_effect']:.2f}",
        f"{second['svg_qvalue']:.1e}".replace("-", "−"),
        f"{second['svg_scale']:.0f}",
    ]


@pytest.mark.parametrize("lost", ["test", "modules", "embedding", "coordinates", "counts", "curve", "moran"])
def test_only_what_is_there(modules_result, lost):
    if lost == "test":
        modules_result.var = modules_result.var.drop(columns="svg_qvalue")
    elif lost == "modules":
        del modules_result.var["gene_module"]
    elif lost == "embedding":
        del modules_result.varm["X_gene"]
    elif lost == "coordinates":
        del modules_result.obsm["spatial"]
    elif lost == "counts":
        modules_result.X = modules_result.X * 0.5
    elif lost == "curve":
        del modules_result.uns["gene_module"]
    else:
        del modules_result.var["svg_moran"]
    part = section_of(modules_result)
    kinds = [alt.split(" ")[0] for alt in part.pictures]
    assert ("Size" in kinds) is (lost != "test")
    assert ("vary in space" in part.words) is (lost != "test")
    assert ("Mean" in kinds) is (lost not in {"modules", "coordinates", "counts"})
    assert ("modules of like pattern" in part.words) is (lost != "modules")
    assert ("Map" in kinds) is (lost != "embedding")
    assert ("Score by number" in part.html) is (lost not in {"curve", "modules"})
    assert ("Moran's I" in part.words) is (lost not in {"moran", "test"})


def test_nothing_called_and_nothing_tested(modules_result):
    modules_result.var["svg_qvalue"] = 1.0
    part = section_of(modules_result)
    assert part.words.startswith("0 of 40 genes vary")
    assert part.rows == []
    modules_result.var["svg_scale"] = np.nan
    assert "vary in space" not in section_of(modules_result).words


def test_no_section_without_results(domains_result):
    assert section_of(domains_result) is None


def test_many_modules_slides_and_cells_are_cut_and_it_says_so(modules_result, monkeypatch):
    from spotweave._report import _denoised

    monkeypatch.setattr(_denoised, "MAX_CELLS", 20)
    monkeypatch.setattr(_spatial_genes, "MAX_CELLS", 20)
    monkeypatch.setattr(_spatial_genes, "_MODULES", 2)
    drawn: list = []

    def draw(panels, **options):
        drawn.append((panels, options["ncols"]))
        return new_figure(1, 1)

    monkeypatch.setattr(_spatial_genes, "draw_grid", draw)
    modules_result.obs["slide"] = pd.Categorical(np.arange(143) // 30)
    modules_result.uns["gene_module"]["params"]["library_key"] = "slide"
    words = section_of(modules_result).words
    ((panels, ncols),) = drawn
    assert [p.title.split(" · ")[::2] for p in panels] == [[f"module {k}", str(s)] for k in range(2) for s in range(3)]
    assert ncols == 3
    assert {len(p.xy) for p in panels} == {20}
    assert "The first 2 of 3 modules are shown. The first 3 of 5 slides are shown. No more than 20 cells" in words


def test_names_are_escaped(modules_result):
    modules_result.var_names = [f'{name}"><script>' for name in modules_result.var_names]
    html = section_of(modules_result).html
    assert "<script>" not in html

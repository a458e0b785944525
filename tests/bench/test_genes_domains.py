"""Genes for domains: the choice, the run, the page."""

from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from spotweave import datasets, io, tl
from spotweave.bench import _genes_domains_sets as registry
from spotweave.bench._domains import Section
from spotweave.bench._genes_domains import choose, fit, score
from spotweave.bench._genes_domains_page import genes_domains_page
from spotweave.bench._sets import DataSet, Truth
from spotweave.bench._source import RealFile
from spotweave.cli import main


@pytest.fixture
def section() -> Section:
    adata = datasets.simulate_tissue(200, n_genes=60, n_domains=3, rng=1)
    adata.obs["known"] = adata.obs["domain_true"].astype(object)
    adata.obs.loc[adata.obs_names[:5], "known"] = None
    return Section(DataSet("own", RealFile("own.h5ad"), 3, (Truth("known"),)), adata)


def test_choices(section):
    adata = section.adata
    assert choose(adata, {"by": "variance", "n_top": 5}, 0) is None
    assert choose(adata, {"by": "all"}, 0) == list(adata.var_names)
    best = choose(adata, {"by": "svg", "n_top": 7}, 0)
    assert best is not None
    assert sorted(best) == sorted(adata.var["svg_statistic"].nlargest(7).index)
    assert "svg_moran" not in adata.var


def test_modules_are_of_the_embedding_asked_for(section, monkeypatch):
    seen: list[Any] = []

    def embedding(adata, **options):
        seen.append(options)

    def modules(adata, *, rng):
        seen.append(rng)
        adata.var["gene_module"] = pd.Categorical(np.where(np.arange(60) < 40, "0", "1"))

    monkeypatch.setattr(tl, "gene_embedding", embedding)
    monkeypatch.setattr(tl, "gene_modules", modules)
    names = choose(section.adata, {"by": "module", "n_top": 6, "embedding": "mae"}, 3)
    assert seen == [{"method": "mae", "rng": 3, "progress": False}, 3]
    assert names is not None
    assert len(names) == 6
    assert {section.adata.var["gene_module"][name] for name in names} == {"0", "1"}


@pytest.mark.parametrize(("choice", "n_chosen"), [("hvg-1000", 60), ("all", 60), ("svg-7", 7)])
def test_run(section, choice, n_chosen, monkeypatch):
    settings = {**registry.CHOICES, "svg-7": {"by": "svg", "n_top": 7}}[choice]
    seen: list[Any] = []
    domains = tl.domains

    def spy(adata, n, **options):
        seen.append((n, options.get("n_top_genes"), options.get("genes")))
        return domains(adata, n, **options)

    monkeypatch.setattr(tl, "domains", spy)
    found = fit(section, {"domains": "smooth", **settings}, 0)
    ((n, n_top, genes),) = seen
    assert (n, n_top) == (3, 1_000 if choice == "hvg-1000" else None)
    assert choice == "hvg-1000" or len(genes) == n_chosen
    (row,) = score(section, found)
    assert (row["truth"], row["n_chosen"], row["n_obs"]) == ("known", n_chosen, 200)
    assert row["ari"] > 0.2
    assert "domain" not in section.adata.obs


def test_from_command_to_page(capsys, section, tmp_path, monkeypatch):
    io.write(section.adata, tmp_path / "own.h5ad")
    monkeypatch.setattr(registry, "SETS", {"starmap_visual_cortex_1207": section.dataset})
    out = tmp_path / "out"
    tokens = ["--sets", "starmap_visual_cortex_1207", "--methods", "smooth:svg-1000", "--seeds", "1"]
    status = main(["bench", "genes-domains", *tokens, "--data", str(tmp_path), "-o", str(out), "--threads", "1"])
    assert (status, capsys.readouterr().out.splitlines()[-1]) == (0, str(out / "genes_domains.md"))
    rows = pd.read_csv(out / "genes_domains.csv")
    assert rows["method"].tolist() == ["smooth:svg-1000"]
    assert rows["error"].isna().all()


@pytest.mark.parametrize(("tokens", "text"), [(["--methods", "smooth"], ""), (["--methods", "y"], "methods out of")])
def test_names(capsys, tmp_path, tokens, text):
    status = main(["bench", "genes-domains", *tokens, "--data", str(tmp_path), "-o", str(tmp_path / "out")])
    err = capsys.readouterr().err
    assert status == 2
    assert (text or "data sets in") in err


def row(dataset, method, ari, seed=0):
    costs = {"mode": "single", "threads": 1, "wall_s": 2.0, "cpu_s": 4.0, "peak_mb": 9.0, "error": ""}
    return {"dataset": dataset, "method": method, "seed": seed, "truth": "x", **costs, "ari": ari, "n_chosen": 40}


def test_page():
    found = [row("dlpfc_151673", "smooth:hvg-3000", 0.5, s) for s in (0, 1)]
    found += [row("dlpfc_151673", "smooth:svg-3000", 0.4 + 0.1 * s, s) for s in (0, 1)]
    found += [row("st_mob_rep11", "smooth:hvg-3000", 0.3), row("st_mob_rep11", "smooth:svg-3000", 0.5)]
    found += [row("st_mob_rep11", "fusion:all", 0.7)]
    page = genes_domains_page(pd.DataFrame(found))
    assert "over 2 seeds, 1 thread," in page
    _, smooth, fusion = page.split("\n## ")
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in smooth.splitlines()]
    assert ["dlpfc_151673", "**0.500 ± 0.000**", "0.450 ± 0.071"] in lines
    assert ["**mean over sets**", "0.400", "**0.475**"] in lines
    assert ["`svg-3000`", "+0.075", "-0.050 (dlpfc_151673)", "1 of 2", "40", "4"] in lines
    assert ["`hvg-3000`", "", "", "", "40", "4"] in lines
    assert "| `all` |  |  |  | 40 | 4 |" in fusion


def test_methods():
    methods = cast("dict[str, Any]", registry.METHODS)
    assert methods["fusion:svg-1000"] == {"domains": "fusion", "by": "svg", "n_top": 1_000}
    assert not any("mae" in methods[name].values() for name in registry.GROUPS["quick"])
    assert all(len(item.truths) == 1 for item in registry.SETS.values())
    assert registry.REFERENCE in registry.CHOICES

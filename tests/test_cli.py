import inspect
import logging
import os
import re
import subprocess
import sys
import warnings
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

import spotweave
import spotweave.datasets
import spotweave.tl
from spotweave import _commands
from spotweave._commands._app import settings_of
from spotweave.cli import main


@pytest.fixture
def source(domains_result, tmp_path):
    """A file of counts and coordinates, without results."""
    domains_result.uns.clear()
    del domains_result.obs["domain"], domains_result.obsm["domain_probability"]
    path = tmp_path / "in.h5ad"
    domains_result.write_h5ad(path)
    return path


@pytest.fixture
def calls(monkeypatch):
    """Stands for tl.domains and tl.domain_markers; remembers how they were called."""
    seen = []

    def domains(adata, n_domains=None, *, key_added="domain", **options):
        seen.append({"n_domains": n_domains, "key_added": key_added, **options})
        adata.obs[key_added] = pd.Categorical(np.where(np.arange(adata.n_obs) % 2, "0", "1"))
        adata.uns[key_added] = {"params": {"method": "m", "spotweave_version": "0"}, "n_domains": 2, "stability": 0.5}

    def domain_markers(adata, groupby, *, layer=None):
        return pd.DataFrame({"gene": ["gene1"], "domain": ["0"], "effect": [1.5], "p": [0.1], "q": [0.2]})

    monkeypatch.setattr(spotweave.tl, "domains", domains, raising=False)
    monkeypatch.setattr(spotweave.tl, "domain_markers", domain_markers, raising=False)
    return seen


def run(capsys, *tokens):
    status = main([str(t) for t in tokens])
    return status, *capsys.readouterr()


def assert_one_line(err):
    assert err.startswith("spotweave: error: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")


def test_domains_passes_every_option_and_writes(capsys, source, calls, tmp_path):
    out = tmp_path / "out.h5ad"
    options = ["--n-domains", 2, "--method", "smooth", "--layer", "counts", "--library-key", "slide", "--refine"]
    status, stdout, stderr = run(
        capsys, "domains", source, "-o", out, *options, "--seed", 4, "--param", "n-hops=3", "--param", "kind=x"
    )
    assert (status, stderr) == (0, "")
    assert calls == [
        {
            "n_domains": 2,
            "method": "smooth",
            "layer": "counts",
            "use_rep": None,
            "spatial_key": "spatial",
            "library_key": "slide",
            "refine": True,
            "key_added": "domain",
            "rng": 4,
            "device": "auto",
            "n_hops": 3,
            "kind": "x",
        }
    ]
    assert anndata.read_h5ad(out).obs["domain"].nunique() == 2
    assert "2 domains of 154 cells by smooth" in stdout
    assert "0.500" in stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.h5ad", "out.h5ad"]


@pytest.fixture
def denoisings(monkeypatch):
    """Stands for tl.denoise; remembers how it was called."""
    seen = []

    def denoise(adata, *, key_added="denoised", **options):
        seen.append({"key_added": key_added, **options})
        adata.layers[key_added] = np.ones(adata.shape, np.float32)
        adata.uns[key_added] = {
            "deviance": 0.9,
            "deviance_mean": 1.2,
            "graph_used": True,
            "converged": options["method"] == "gmm_vgae",
            "warning": "Do not test them.",
        }

    monkeypatch.setattr(spotweave.tl, "denoise", denoise, raising=False)
    return seen


def test_denoise_passes_every_option_and_writes(capsys, source, denoisings, tmp_path):
    out = tmp_path / "out.h5ad"
    options = ["--method", "factor", "--genes", "gene1, gene2", "--sd", "--layer", "counts", "--library-key", "slide"]
    options += [
        "--graph-key",
        "grid",
        "--no-use-graph",
        "--no-guard",
        "--strict",
        "--key-added",
        "mine",
        "--device",
        "cpu",
    ]
    status, stdout, stderr = run(capsys, "denoise", source, "-o", out, *options, "--seed", 4, "--param", "max-rows=100")
    assert (status, stderr) == (0, "")
    assert denoisings == [
        {
            "method": "factor",
            "genes": ["gene1", "gene2"],
            "sd": True,
            "layer": "counts",
            "spatial_key": "spatial",
            "library_key": "slide",
            "graph_key": "grid",
            "use_graph": False,
            "guard": False,
            "strict": True,
            "key_added": "mine",
            "rng": 4,
            "device": "cpu",
            "max_rows": 100,
        }
    ]
    assert (anndata.read_h5ad(out).layers["mine"] == 1).all()
    assert "2 genes of 154 cells denoised by factor in " in stdout
    assert "deviance of held-out molecules: 0.9, of the genes' means 1.2 (25.0% less)" in stdout
    assert "neighbours: used" in stdout
    assert "not converged" in stdout
    assert "note: Do not test them." in stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.h5ad", "out.h5ad"]


@pytest.mark.parametrize(("given", "expected"), [([], None), (["--use-graph"], True), (["--no-use-graph"], False)])
def test_neighbours_are_left_to_the_data_unless_said(capsys, source, denoisings, given, expected):
    status, stdout, _ = run(capsys, "denoise", source, "-o", source, *given)
    assert status == 0
    assert denoisings[0]["use_graph"] is expected
    assert (denoisings[0]["genes"], denoisings[0]["guard"], denoisings[0]["sd"]) == (None, True, False)
    assert "9 genes of 154 cells denoised by gmm_vgae" in stdout
    assert "converged" not in stdout
    assert "denoised" in anndata.read_h5ad(source).layers


def test_spatial_genes_writes_and_names_the_surest(capsys, source, tmp_path):
    out = tmp_path / "out.h5ad"
    options = ["--library-key", "slide", "--no-autocorrelation", "--key-added", "mine"]
    status, stdout, stderr = run(capsys, "spatial-genes", source, "-o", out, *options)
    assert (status, stderr) == (0, "")
    found = anndata.read_h5ad(out)
    assert found.uns["mine"]["params"]["library_key"] == "slide"
    assert "mine_moran" not in found.var
    number = (found.var["mine_qvalue"] < 0.05).sum()
    assert number > 0
    assert f"{number} of 9 genes vary in space (q < 0.05) in " in stdout
    assert f"surest: {found.var['mine_statistic'].idxmax()}" in stdout


def test_find_pattern_writes_a_table_and_names_the_best(capsys, source, tmp_path):
    out = tmp_path / "out.csv"
    options = ["--key", "truth", "--category", "deep", "--category", "top", "--library-key", "slide"]
    status, stdout, _ = run(capsys, "find-pattern", source, "-o", out, *options)
    assert status == 0
    found = pd.read_csv(out)
    expected = spotweave.tl.find_pattern(anndata.read_h5ad(source), {"truth": ["deep", "top"]}, library_key="slide")
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    assert f"{(found['q'] < 0.05).sum()} of 9 genes follow the pattern (q < 0.05), " in stdout
    assert f"best: {found['gene'][0]}" in stdout


def test_find_pattern_by_gene(capsys, source, tmp_path):
    status, stdout, _ = run(capsys, "find-pattern", source, "-o", tmp_path / "out.csv", "--gene", "gene3")
    assert status == 0
    assert stdout.splitlines()[1].removeprefix("best: ").split(", ")[:2] in (["gene0", "gene6"], ["gene6", "gene0"])


@pytest.mark.parametrize(
    "options", [[], ["--key", "truth", "--gene", "gene3"], ["--category", "top"], ["--gene", "none"]]
)
def test_find_pattern_wants_one_pattern(capsys, source, tmp_path, options):
    status, _, err = run(capsys, "find-pattern", source, "-o", tmp_path / "out.csv", *options)
    assert status == 2
    assert_one_line(err)
    assert not (tmp_path / "out.csv").exists()


def test_denoise_with_the_real_verb(capsys, source, tmp_path):
    out = tmp_path / "out.h5ad"
    quick = ["--method", "factor", "--param", "ranks=(1, 2)", "--genes", "gene3", "--sd"]
    status, stdout, err = run(capsys, "denoise", source, "-o", out, *quick)
    assert (status, err) == (0, "")
    found = anndata.read_h5ad(out)
    assert list(found.obsm["denoised"].columns) == ["gene3"]
    assert (found.obsm["denoised_sd"] >= 0).all(axis=None)
    ours, plain = found.uns["denoised"]["deviance"], found.uns["denoised"]["deviance_mean"]
    assert f"deviance of held-out molecules: {ours:.4g}, of the genes' means {plain:.4g}" in stdout
    status, stdout, err = run(capsys, "denoise", source, "-o", tmp_path / "other.h5ad", "--genes", "gene3,nope")
    assert (status, stdout) == (2, "")
    assert_one_line(err)
    assert "nope" in err
    assert not (tmp_path / "other.h5ad").exists()
    assert "denoised: factor" in run(capsys, "info", out)[1]


def test_output_may_be_the_input_and_report_and_markers_follow(capsys, source, calls, tmp_path):
    extra = ["--report", tmp_path / "r.html", "--truth", "truth", "--markers", tmp_path / "m.csv"]
    status, _, err = run(capsys, "domains", source, "-o", source, *extra)
    assert (status, err) == (0, "")
    assert calls[0]["n_domains"] is None
    assert "domain" in anndata.read_h5ad(source).obs
    html = (tmp_path / "r.html").read_text()
    assert "<h1>in</h1>" in html
    assert 'id="truth"' in html
    assert "gene1" in html
    assert pd.read_csv(tmp_path / "m.csv")["effect"].tolist() == [1.5]


def test_a_failing_verb_leaves_no_output(capsys, source, calls, tmp_path, monkeypatch):
    def fail(adata, n_domains=None, **_):
        raise spotweave.InputError("Expected fewer domains than cells;\nfound 999.")

    monkeypatch.setattr(spotweave.tl, "domains", fail)
    before = source.read_bytes()
    for out in (source, tmp_path / "out.h5ad"):
        status, stdout, err = run(capsys, "domains", source, "-o", out, "--report", tmp_path / "r.html")
        assert (status, stdout) == (2, "")
        assert err == "spotweave: error: Expected fewer domains than cells; found 999.\n"
    assert source.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["in.h5ad"]


@pytest.fixture
def verbs(calls, denoisings):
    return calls, denoisings


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (["domains", "{in}", "-o", "{tmp}/none/out.h5ad"], "Make it first"),
        (["domains", "{in}", "-o", "{tmp}/out.txt"], ".h5ad or .zarr"),
        (["domains", "{in}", "-o", "{tmp}/out.h5ad", "--report", "{tmp}/none/r.html"], "Make it first"),
        (["domains", "{in}", "-o", "{tmp}/out.h5ad", "--truth", "nope"], "truth='nope'"),
        (["domains", "{tmp}/nope.h5ad", "-o", "{tmp}/out.h5ad"], "nope.h5ad"),
        (["domains", "{tmp}/bad.h5ad", "-o", "{tmp}/out.h5ad"], "bad.h5ad"),
        (["domains", "{in}"], "--output"),
        (["domains", "{in}", "-o", "{tmp}/out.h5ad", "--n-domains", "many"], "--n-domains"),
        (["domains", "{in}", "-o", "{tmp}/out.h5ad", "--n_clusters", "7"], "n_clusters"),
        (["domains", "{in}", "-o", "{tmp}/out.h5ad", "--method", "magic"], '"fusion", "smooth", "rrr", "gmm_vgae"'),
        (["domains", "{in}", "-o", "{tmp}/out.h5ad", "--param", "n_hops"], "name=value"),
        (["denoise", "{in}", "-o", "{tmp}/none/out.h5ad"], "Make it first"),
        (["denoise", "{in}", "-o", "{tmp}/out.txt"], ".h5ad or .zarr"),
        (["denoise", "{in}"], "--output"),
        (["denoise", "{in}", "-o", "{tmp}/out.h5ad", "--method", "magic"], '"gmm_vgae", "factor"'),
        (["denoise", "{in}", "-o", "{tmp}/out.h5ad", "--param", "ranks"], "name=value"),
        (["report", "{in}", "-o", "{tmp}/out.pdf"], ".html"),
        (["report", "{in}", "-o", "{tmp}/out.html", "--truth", "truth"], "Run spotweave.tl.domains"),
        (["simulate", "-o", "{tmp}/out.h5ad", "--n-obs", "-5"], "n_obs"),
        (["demo", "-o", "{tmp}/none/demo"], "Make it first"),
        (["demo", "-o", "{in}"], "a folder or nothing"),
        (["nonsense"], "nonsense"),
        (["info"], "SOURCE"),
    ],
)
def test_bad_input_is_one_line_and_status_2(capsys, source, verbs, tmp_path, tokens, message):
    (tmp_path / "bad.h5ad").write_bytes(b"not a file of this kind")
    before = sorted(p.name for p in tmp_path.iterdir())
    status, out, err = run(capsys, *(t.format(tmp=tmp_path, **{"in": source}) for t in tokens))
    assert (status, out) == (2, "")
    assert_one_line(err)
    assert message in err
    assert verbs == ([], [])  # found out before the work, not after
    assert sorted(p.name for p in tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), 1, "out of memory"),
        (TypeError("a bug"), 1, "internal error: TypeError: a bug"),
        (OSError(28, "No space left on device"), 2, "No space left"),
    ],
)
def test_other_failures(capsys, tmp_path, monkeypatch, error, status, text):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(spotweave.datasets, "simulate_tissue", fail)
    found, _, err = run(capsys, "simulate", "-o", tmp_path / "out.h5ad")
    assert found == status
    assert text in err
    assert err.count("\n") == 1
    monkeypatch.setenv("SPOTWEAVE_DEBUG", "1")
    assert "Traceback" in run(capsys, "simulate", "-o", tmp_path / "out.h5ad")[2]


def test_report(capsys, domains_result, tmp_path):
    domains_result.write_h5ad(tmp_path / "tissue.h5ad")
    status, out, err = run(capsys, "report", tmp_path / "tissue.h5ad", "-o", tmp_path / "r.html", "--truth", "truth")
    assert (status, out, err) == (0, f"{tmp_path / 'r.html'}\n", "")
    assert "<h1>tissue</h1>" in (tmp_path / "r.html").read_text()


def test_info_says_what_is_there(capsys, domains_result, tmp_path):
    domains_result.layers["log"] = np.log1p(domains_result.X)
    domains_result.obsm["spatial"][1] = domains_result.obsm["spatial"][0]
    domains_result.uns["spatial"] = {"A": {"images": {"lowres": np.zeros((4, 5, 3))}}}
    domains_result.write_h5ad(tmp_path / "a.h5ad")
    status, out, err = run(capsys, "info", tmp_path / "a.h5ad")
    assert (status, err) == (0, "")
    lines = dict(re.split(r":\s+", line, maxsplit=1) for line in out.splitlines())
    X = domains_result.X.toarray()
    assert lines["shape"] == "154 cells or spots x 9 genes"
    assert lines["X"].startswith(
        f"counts; float32, {(X > 0).mean():.1%} non-zero, mean total {X.sum() / 154:,.6g} per cell"
    )
    assert lines["X"].endswith(f"largest {X.max():g}")
    assert lines["layer log"].startswith("no counts: ")
    xy = domains_result.obsm["spatial"]
    assert lines["spatial"].startswith(f"x {xy[:, 0].min():,.6g} to {xy[:, 0].max():,.6g}")
    assert "1 rows on another row's place" in lines["spatial"]
    assert lines["images"] == "A lowres 4x5"
    assert lines["obs"] == "slide, domain, truth"
    assert lines["spotweave"] == (
        "domain: fusion, n_domains 3, converged True, stability 0.83, log_likelihood -12.5 (version 0.1.0)"
    )


def test_info_of_an_object_without_coordinates(capsys, tmp_path):
    anndata.AnnData(np.array([[1.5, np.nan]], dtype=np.float32)).write_h5ad(tmp_path / "a.h5ad")
    status, out, _ = run(capsys, "info", tmp_path / "a.h5ad")
    assert status == 0
    assert "none in obsm" in out
    assert "no counts" in out


def test_simulate(capsys, tmp_path):
    options = ["--n-obs", 90, "--n-genes", 40, "--n-domains", 3, "--n-slices", 2, "--layout", "rings", "--seed", 5]
    status, out, err = run(capsys, "simulate", "-o", tmp_path / "s.h5ad", *options)
    assert (status, err) == (0, "")
    assert "90 x 40" in out
    found = anndata.read_h5ad(tmp_path / "s.h5ad")
    expected = spotweave.datasets.simulate_tissue(90, n_genes=40, n_domains=3, n_slices=2, layout="rings", rng=5)
    assert (found.X != expected.X).nnz == 0
    assert found.obs["slice"].nunique() == 2


def test_simulated_file_to_domains_with_the_real_verb(capsys, tmp_path):
    tissue, out, page = tmp_path / "s.h5ad", tmp_path / "out.zarr", tmp_path / "r.html"
    simulate = ["--n-obs", 400, "--n-genes", 120, "--n-domains", 3, "--signal", 0.9]
    assert run(capsys, "simulate", "-o", tissue, *simulate)[0] == 0
    options = [
        "--n-domains",
        3,
        "--method",
        "smooth",
        "--param",
        "n_starts=2",
        "--report",
        page,
        "--truth",
        "domain_true",
    ]
    status, stdout, err = run(capsys, "domains", tissue, "-o", out, *options)
    assert (status, err) == (0, "")
    assert "3 domains of 400 cells by smooth" in stdout
    found = anndata.read_zarr(out)
    assert spotweave.metrics.ari(found.obs["domain_true"], found.obs["domain"]) > 0.7
    html = page.read_text()
    assert all(f'<section id="{name}"' in html for name in ("map", "trust", "truth", "markers", "parameters"))
    assert "domain: smooth, n_domains 3" in run(capsys, "info", out)[1]


def test_verbose_logs_to_stderr_and_leaves_the_logger_as_it_was(capsys, source, calls, tmp_path):
    logger = logging.getLogger("spotweave")
    before = (logger.level, list(logger.handlers))
    status, out, err = run(capsys, "-v", "domains", source, "-o", tmp_path / "out.h5ad")
    assert status == 0
    assert "INFO: read" in err
    assert "INFO" not in out
    assert (logger.level, list(logger.handlers)) == before


def test_warnings_of_libraries_do_not_reach_the_user(capsys, source, calls, tmp_path, monkeypatch):
    inner: Any = spotweave.tl.domains

    def noisy(adata, n_domains=None, **options):
        warnings.warn("deprecated", FutureWarning, stacklevel=1)
        inner(adata, n_domains, **options)

    monkeypatch.setattr(spotweave.tl, "domains", noisy)
    assert run(capsys, "domains", source, "-o", tmp_path / "out.h5ad")[2] == ""


def test_settings_are_literals_where_they_read_as_such():
    given = ["n-hops=3", "weight=0.5", "refine=True", "kind=leiden", "names=['a', 'b']", "text=a=b", "none=None"]
    assert settings_of(given) == {
        "n_hops": 3,
        "weight": 0.5,
        "refine": True,
        "kind": "leiden",
        "names": ["a", "b"],
        "text": "a=b",
        "none": None,
    }


def test_help_shows_docstrings_and_hyphens(capsys):
    status, out, _ = run(capsys, "domains", "--help")
    assert status == 0
    assert "--n-domains" in out
    assert "--library-key" in out
    assert "Find tissue domains." in out
    assert "_" not in "".join(re.findall(r"--[\w-]+", out))


def test_version_and_list_of_commands(capsys):
    assert run(capsys, "--version")[:2] == (0, f"{spotweave.__version__}\n")
    status, out, _ = run(capsys, "--help")
    assert status == 0
    assert {"demo", "denoise", "domains", "info", "report", "simulate"} <= set(
        re.findall(r"^│ (\w+)", out, flags=re.MULTILINE)
    )
    assert run(capsys)[0] == 0


@pytest.mark.parametrize("name", ["demo", "denoise", "domains", "info", "report", "simulate"])
def test_every_option_is_explained(name):
    command = getattr(_commands, name)
    documented = re.findall(r"^    (\w+)\n        \S", command.__doc__, flags=re.MULTILINE)
    assert documented == [p for p in inspect.signature(command).parameters if p != "reading"]


def process(*tokens, **env):
    command = [sys.executable, "-c", "import sys; from spotweave.cli import main; sys.exit(main())", *map(str, tokens)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **env}, check=False)


def test_process_status_and_streams(tmp_path):
    done = process("info", tmp_path / "nope.h5ad", PYTHONWARNINGS="error")
    assert (done.returncode, done.stdout) == (2, "")
    assert_one_line(done.stderr)


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from spotweave.cli import main; main(['--help']); "
        "print([m for m in ('torch', 'scanpy', 'anndata', 'matplotlib', 'sklearn', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"

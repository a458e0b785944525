from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score, homogeneity_score

import spotweave.tl
from spotweave import InputError, bench
from spotweave.bench._domains import Section, fit, score
from spotweave.bench._sets import DataSet, Truth, simulated
from spotweave.cli import main


def test_fit_passes_the_number_the_seed_and_the_settings(monkeypatch):
    seen = []
    monkeypatch.setattr(spotweave.tl, "domains", lambda adata, n, **options: seen.append((adata, n, options)))
    section = Section(simulated("s", n_domains=4), "an object")
    assert fit(section, {"method": "smooth", "n_hops": 0}, 7) == "an object"
    assert seen == [("an object", 4, {"rng": 7, "progress": False, "method": "smooth", "n_hops": 0})]


def test_score_has_a_row_for_each_truth_over_the_labelled_cells(domains_result):
    adata = domains_result
    adata.obs["coarse"] = np.where(np.arange(adata.n_obs) < 50, "left", "right")
    truths = (Truth("truth", 0.5), Truth("coarse", unknown=("left",)))
    dataset = DataSet("d", simulated("d", n_domains=3).source, 3, truths)
    first, second = score(Section(dataset, adata), adata)
    kept = adata.obs["truth"].notna()
    truth, found = adata.obs["truth"][kept], adata.obs["domain"][kept]
    assert first["ari"] == pytest.approx(adjusted_rand_score(truth, found))
    assert first["homogeneity"] == pytest.approx(homogeneity_score(truth, found))
    assert first["chaos"] == second["chaos"] > 0
    assert (first["truth"], second["truth"], first["n_obs"], first["n_genes"]) == ("truth", "coarse", 154, 9)
    assert (first["stability"], first["converged"], first["n_domains"]) == (0.83, True, 3)
    assert second["homogeneity"] == 1  # one label is left


def run(capsys, *tokens):
    status = main([str(token) for token in tokens])
    return status, *capsys.readouterr()


def test_no_data_is_one_line_and_status_2(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("SPOTWEAVE_DATA", str(tmp_path / "nowhere"))
    status, out, err = run(capsys, "bench", "domains", "-o", tmp_path / "out")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "found no such folder. Set SPOTWEAVE_DATA" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (["domains", "--sets", "x"], "data sets out of"),
        (["domains", "--methods", "smooth,y"], "'y'"),
        (["domains", "--seeds", "0"], "`seeds`"),
        (["domains", "--threads", "0"], "`threads`"),
        (["scaling", "--sizes", "3k"], "--sizes as whole numbers"),
        (["scaling", "--sizes", "5"], "`sizes`"),
        (["section", "--dataset", "real"], "data sets out of"),
    ],
)
def test_wrong_options_are_one_line_and_status_2(capsys, tmp_path, tokens, text):
    status, out, err = run(capsys, "bench", *tokens, "-o", tmp_path / "out")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert text in err
    assert not (tmp_path / "out").exists()


def test_commands_pass_their_options(capsys, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(bench, "domains", lambda *args, **options: seen.append((args, options)))
    shared = ["--data", tmp_path, "-o", tmp_path, "--threads", 3, "--resume", "--timeout", 9]
    assert run(capsys, "bench", "domains", "--sets", "real", "--methods", "rrr", "--seeds", 2, "--fast", *shared) == (
        0,
        f"{tmp_path / 'domains.md'}\n",
        "",
    )
    ((args, options),) = seen
    running = options.pop("running")
    assert (args, options) == (("real", "rrr"), {"seeds": 2})
    expected = {"output": tmp_path, "data": tmp_path, "threads": 3, "fast": True, "resume": True, "timeout_s": 9.0}
    assert {key: getattr(running, key) for key in expected} == expected


def test_scaling_from_command_to_page(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    options = ["--sizes", "150,300", "--methods", "smooth", "--threads", 1]
    status, out, err = run(capsys, "bench", "scaling", *options, "-o", tmp_path / "out")
    assert (status, err) == (0, "")
    assert out.splitlines()[0].startswith("[1/2] cells_150 domain_true smooth seed 0: ari ")
    rows = pd.read_csv(tmp_path / "out" / "scaling.csv")
    assert list(rows["n_obs"]) == [150, 300]
    assert rows["error"].isna().all()
    assert (rows[["wall_s", "cpu_s", "fit_s", "peak_mb", "process_s"]] > 0).all(axis=None)
    page = (tmp_path / "out" / "scaling.md").read_text()
    assert "| cells_300 | 300 x 500 |" in page


@pytest.mark.data
def test_real_section_from_file_to_table(data_dir, running):
    if not (data_dir / "her2st" / "C1.h5ad").exists():
        pytest.skip("her2st C1 is not there")
    table = bench.domains("her2st_C1", "smooth", seeds=1, running=replace(running, data=data_dir))
    (found,) = table.to_dict("records")
    assert (found["error"], found["n_obs"], found["n_genes"], found["n_domains"]) == ("", 176, 15_557, 3)
    assert -0.5 <= found["ari"] <= 1
    assert (running.output / "domains.md").read_text().count("her2st_C1 (`label`)") == 1


def test_unknown_names_raise():
    with pytest.raises(InputError, match="methods out of"):
        bench.section(["nothing"])

"""Integration from the command to table and page, and the page from rows made by hand."""

import numpy as np
import pandas as pd
import pytest

from spotweave import InputError, bench
from spotweave.bench import _integrate_sets as registry
from spotweave.bench._integrate_page import BEST, integrate_page, together
from spotweave.bench._integrate_score import ALL
from spotweave.bench._integrate_sets import SliceSet
from spotweave.bench._sets import Truth
from spotweave.bench._source import SimulatedFile
from spotweave.cli import main


def run(capsys: pytest.CaptureFixture[str], *tokens: object) -> tuple[int, str, str]:
    status = main([str(token) for token in tokens])
    return status, *capsys.readouterr()


def test_from_command_to_page(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    options = {"n_obs": 120, "n_genes": 40, "n_domains": 2, "n_slices": 2, "resolution": "spot", "signal": 1.0}
    item = SliceSet("sim_layers", SimulatedFile(options), 2, Truth("domain_true"))
    monkeypatch.setattr(registry, "SETS", {item.name: item})
    out = tmp_path / "out"
    arguments = ["--sets", item.name, "--methods", "none:smooth,alone:smooth", "--seeds", 1, "--threads", 1, "-o", out]
    status, said, err = run(capsys, "bench", "integrate", *arguments)
    assert (status, err, said.splitlines()[-1]) == (0, "", str(out / "integrate.md"))
    rows = pd.read_csv(out / "integrate.csv")
    assert rows["error"].isna().all()
    assert rows.groupby("method")["slice"].agg(list).tolist() == [[ALL, "slice_1", "slice_2"]] * 2
    joint = rows[rows["method"] == "none:smooth"]
    assert joint["ari"].notna().all()
    assert joint["ilisi"].notna().tolist() == [True, False, False]
    page = (out / "integrate.md").read_text()
    assert '## Domains by `tl.domains(method="smooth")`' in page
    assert "## Mixing" in page


def test_other_packages_are_left_out_with_a_reason(monkeypatch, running):
    monkeypatch.delenv("SPOTWEAVE_PEER_CELLCHARTER", raising=False)
    with pytest.raises(InputError, match="SPOTWEAVE_PEER_CELLCHARTER is not set"):
        bench.integrate("sim_layers", "cellcharter", running=running)


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (["--sets", "x"], "data sets out of"),
        (["--methods", "matched"], "methods out of"),
        (["--seeds", "0"], "`seeds`"),
    ],
)
def test_wrong_options_are_one_line_and_status_2(capsys, tmp_path, tokens, text):
    status, out, err = run(capsys, "bench", "integrate", *tokens, "-o", tmp_path / "out")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert text in err
    assert not (tmp_path / "out").exists()


def row(dataset: str, method: str, seed: int, part: str, ari: float, **mixing: float) -> dict[str, object]:
    costs = {"mode": "single", "threads": 1, "wall_s": 2.0, "cpu_s": 4.0, "peak_mb": 9.0, "error": ""}
    sizes = {"n_obs": 90, "n_genes": 30, "n_slices": 2, "n_domains": 3}
    return {"dataset": dataset, "method": method, "seed": seed, "slice": part, "ari": ari, **mixing, **sizes, **costs}


@pytest.fixture
def rows() -> pd.DataFrame:
    found = []
    for seed, gain in ((0, 0.0), (1, 0.1)):
        found += [
            row("sim_blobs", "alone:smooth", seed, ALL, np.nan),
            row("sim_blobs", "alone:smooth", seed, "a", 0.4 - 2 * gain),
            row("sim_blobs", "alone:smooth", seed, "b", 0.3 + gain),
            row("sim_blobs", "matched:smooth", seed, ALL, 0.5, ilisi=0.8, neighbors_kept=0.7),
            row("sim_blobs", "matched:smooth", seed, "a", 0.45),
            row("sim_blobs", "matched:smooth", seed, "b", 0.55 + gain),
            row("sim_blobs", "matched:fusion", seed, ALL, 0.6, ilisi=0.8, neighbors_kept=0.7),
            row("sim_blobs", "matched:fusion", seed, "a", 0.6),
            row("sim_blobs", "none:smooth", seed, ALL, 0.1, ilisi=0.2, neighbors_kept=1.0),
            row("sim_blobs", "none:smooth", seed, "a", 0.2),
            row("molcart", "none:smooth", seed, ALL, np.nan, ilisi=0.9, neighbors_kept=1.0),
        ]
    return pd.DataFrame(found)


def test_the_best_slice_is_best_on_average(rows):
    smooth = rows[rows["method"].str.endswith(":smooth")]
    found = together(smooth.assign(method=smooth["method"].str.partition(":")[0]))
    best = found[found["method"] == BEST]
    assert best["slice"].tolist() == ["b", "b"]
    assert best["ari"].tolist() == [0.3, 0.4]


def test_page(rows):
    page = integrate_page(rows)
    assert "over 2 seeds, 1 thread," in page
    head, smooth, fusion, mixing = page.split("\n## ")
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in smooth.splitlines()]
    assert ["data set", BEST, "none", "matched"] in lines
    assert ["sim_blobs", "0.350 ± 0.071", "0.100 ± 0.000", "**0.500 ± 0.000**"] in lines
    assert ["sim_blobs, b", "0.350 ± 0.071", "", "**0.600 ± 0.071**"] in lines
    assert ["**mean over slices**", "0.325", "0.200 (1 of 2 slices)", "**0.525**"] in lines
    gains = ["+0.150", "+0.150 (sim_blobs)", "1 of 1"]
    assert ["`matched`", "0.500", "0.525", "0.450 (sim_blobs, a)", *gains] in lines
    assert "molcart" in smooth.partition("Times")[2]
    assert "fusion" in fusion
    assert "0.600" in fusion
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in mixing.splitlines()]
    assert ["sim_blobs", "0.200 ± 0.000", "**0.800 ± 0.000**"] in lines
    assert ["molcart", "0.900 ± 0.000", ""] in lines
    assert ["sim_blobs", "0.700 ± 0.000"] in lines  # all are kept where nothing is corrected
    assert "kBET" not in mixing
    assert head.startswith("# Integration")


def test_page_of_one_package_and_of_failures(rows):
    own = integrate_page(rows[rows["method"] == "none:smooth"].assign(method="cellcharter"))
    assert "## Domains of other packages" in own
    assert BEST not in own.partition("| data set")[2].splitlines()[0]
    failed = integrate_page(rows.assign(error="broken"))
    assert "## Failed runs" in failed
    assert "## Mixing" not in failed

import re

import numpy as np
import pandas as pd
import pytest

import spotweave as sw
from spotweave._report import _pictures, _slices
from spotweave._report._context import Context


@pytest.fixture(autouse=True)
def no_ink(monkeypatch):
    """Pictures take time."""
    monkeypatch.setattr(_pictures, "_pixels", lambda _: np.zeros((8, 8, 4), np.uint8))


class Part:
    """Text, pictures and rows of the section."""

    def __init__(self, adata):
        found = _slices.slices(Context(adata))
        assert found is not None
        self.html = str(found.html)
        self.words = " ".join(re.sub(r"<[^>]+>", " ", self.html).split())
        self.pictures = re.findall(r'alt="([^"]*)" src="data:image/png;base64,', self.html)
        rows = re.findall(r"<tr.*?</tr>", self.html, re.S)
        self.rows = [[re.sub(r"<[^>]+>", "", c) for c in re.findall(r"<t[hd].*?</t[hd]>", r, re.S)] for r in rows]


def test_page_has_the_section_and_needs_no_network(slices_result, tmp_path):
    html = sw.report(slices_result, tmp_path / "r.html").read_text(encoding="utf-8")
    assert '<section id="slices"' in html
    assert all(url.startswith(("#", "data:")) for url in re.findall(r'(?:href|src)="([^"]*)"', html))


def test_nothing_to_say_of_one_slice(domains_result):
    assert _slices.slices(Context(domains_result)) is None


def test_statement_checks_and_pictures(slices_result):
    part = Part(slices_result)
    assert part.words.startswith("The effect of 2 batches was removed from the components (method matched).")
    assert "2 slices were brought into the frame of A." in part.words
    assert "good: Mixing of the batches (iLISI, 0 apart to 1 mixed) went from 0.12 to 0.75." in part.words
    assert "good: Of the nearest surroundings on the own slide 82% stayed the nearest." in part.words
    assert "good: All pairs of batches have counterparts in each other." in part.words
    assert "good: Least supported is B: 86% of its cells have counterparts." in part.words
    assert "good: Every domain lies on more than one slice." in part.words
    assert "good: Features of overlapping slices correlate at 0.75, 0.25 as they were." in part.words
    assert "caution" not in part.words
    assert [name.split(" ")[0] for name in part.pictures] == ["Surroundings", "Slices"]


def test_tables_are_of_pairs_domains_and_places(slices_result):
    rows = Part(slices_result).rows
    assert ["A", "B", "70", "65", "1.25", "yes"] in rows
    share = pd.crosstab(slices_result.obs["domain"], slices_result.obs["slide"], normalize="columns")
    for name, row in share.iterrows():
        assert [str(name), *(f"{100 * v:.1f}%" for v in row)] in rows
    assert ["A", "", "0.0°", "", "", "", "", ""] in rows
    assert ["B", "A", "−12.3°", "0.25", "0.75", "98%", "0.50", "0.10"] in rows


def test_poor_runs_are_called_so(slices_result):
    result = slices_result.uns["integrate"]
    result |= {"ilisi_after": 0.2, "neighbors_kept": 0.3, "converged": False, "support": np.array([0.9, 0.2])}
    result["apart"] = result["apart"] * 1.5
    fit = slices_result.uns["align"]["fit"]
    fit["agreement"], fit.loc["B", "warning"] = [np.nan, 0.1], "another rotation fits as well"
    slices_result.obs["domain"] = np.where(
        slices_result.obs["slide"] == "A", slices_result.obs["domain"].astype(str), "2"
    )
    words = Part(slices_result).words
    assert "caution: Mixing of the batches" in words
    assert "caution: Of the nearest surroundings on the own slide 30%" in words
    assert "caution: Batches still moved a little" in words
    assert "caution: Counterparts of A and B are 1.9 times as far apart as like cells." in words
    assert "caution: Least supported is B: 20%" in words
    assert "caution: On one slice only: domain 0 (A), 1 (A)." in words
    assert "caution: Slice B: another rotation fits as well." in words
    assert "caution: Features of overlapping slices correlate at 0.10" in words
    result["linked"] = np.zeros((2, 2), bool)
    assert "caution: A and B share too little and were not matched to each other." in Part(slices_result).words
    assert ["A", "B", "70", "65", "1.88", "no"] in Part(slices_result).rows


def test_only_what_is_there(slices_result):
    integrated, placed = slices_result.uns.pop("integrate"), slices_result.uns["align"]
    part = Part(slices_result)
    assert part.words.startswith("2 slices were brought")
    assert "counterparts" not in part.words
    assert part.pictures == ["Slices upon each other, as measured and aligned"]
    del slices_result.uns["align"], slices_result.obsm["integrated_after"], slices_result.obs["domain"]
    slices_result.uns["integrate"] = {key: integrated[key] for key in ("params", "batches", "ilisi_before")}
    part = Part(slices_result)
    assert part.pictures == part.rows == []
    assert "good" not in part.words
    slices_result.uns["integrate"], slices_result.uns["align"] = {}, {"params": placed["params"]}
    del slices_result.obsm["spatial_aligned"]
    assert Part(slices_result).pictures == []


def test_many_cells_are_sampled(slices_result, monkeypatch):
    monkeypatch.setattr(_slices, "_MOST_CELLS", 20)
    drawn: list = []
    figure = _slices.aligned(slices_result)

    def noted(adata, **_):
        drawn.append(adata)
        return figure

    monkeypatch.setattr(_slices, "aligned", noted)
    Part(slices_result)
    assert drawn[0].n_obs == 20
    assert drawn[0].obs["slide"].nunique() == 2


def test_names_are_escaped(slices_result):
    slices_result.uns["integrate"]["batches"] = np.array(["<script>", '"><i>'])
    html = Part(slices_result).html
    assert "<script>" not in html
    assert '"><i>' not in html

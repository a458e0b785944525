import re

import numpy as np
import pandas as pd
import pytest

import spotweave as sw
from spotweave._report import _pictures, _proportions
from spotweave._report._context import Context


@pytest.fixture
def inkless(monkeypatch):
    """Pictures take time."""
    monkeypatch.setattr(_pictures, "_pixels", lambda _: np.zeros((8, 8, 4), np.uint8))


class Part:
    """Text, pictures and rows of the section."""

    def __init__(self, adata, **options):
        self.html = str(_proportions.proportions(Context(adata, **options)).html)  # type: ignore[union-attr]
        self.words = " ".join(re.sub(r"<[^>]+>", " ", self.html).replace("&#39;", "'").split())
        self.pictures = re.findall(r'alt="([^"]*)" src="data:image/png;base64,', self.html.replace("&#39;", "'"))
        rows = re.findall(r"<tr.*?</tr>", self.html, re.S)
        self.rows = [[re.sub(r"<[^>]+>", "", c) for c in re.findall(r"<t[hd].*?</t[hd]>", r, re.S)] for r in rows]


def test_the_section_is_there_only_with_shares(proportions_result, domains_result, tmp_path):
    html = sw.report(proportions_result, tmp_path / "r.html", library_key="slide").read_text(encoding="utf-8")
    assert '<section id="proportions"' in html
    assert all(url.startswith(("#", "data:")) for url in re.findall(r'(?:href|src)="([^"]*)"', html))
    del proportions_result.obsm["proportions"]
    assert _proportions.proportions(Context(proportions_result)) is None
    assert 'id="proportions"' not in sw.report(proportions_result, tmp_path / "s.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("inkless")
def test_statement_and_checks_say_what_shares_are_worth(proportions_result):
    words = Part(proportions_result).words
    assert words.startswith(
        "Shares of 5 cell types in 154 spots, found by nb from 9 shared genes (names: exact) and 338 reference cells."
    )
    assert "caution: Hard to tell apart: B cell and T cell. Trust the sum of each pair sooner than its parts." in words
    unknown = proportions_result.obsm["proportions"]["unknown"].mean()
    assert f"good: {100 * unknown:.1f}% of the cells are of types that the reference lacks." in words
    assert "good: 3.0% of the counts are diffuse and belong to no type." in words
    assert f"{np.exp(0.4):.1f} times as well or as badly" in words
    assert "stopped moving" not in words


@pytest.mark.usefixtures("inkless")
def test_poor_runs_are_called_so_and_good_ones_too(proportions_result):
    result = proportions_result.uns["deconvolve"]
    result |= {"converged": False, "background": 0.3, "platform_sd": 0.0}
    result["types"]["correlation"] = -0.3
    table = proportions_result.obsm["proportions"]
    table["unknown"] += 0.5
    words = Part(proportions_result).words
    assert "good: All types can be told apart." in words
    assert "caution: The weights had not stopped moving." in words
    assert "caution: 30.0% of the counts are diffuse and belong to no type. Does the reference fit?" in words
    assert f"caution: {table['unknown'].mean():.1%} of the cells are of types that the reference lacks." in words
    assert "times as well" not in words


@pytest.mark.usefixtures("inkless")
def test_rows_are_the_types_the_most_abundant_first(proportions_result):
    part = Part(proportions_result)
    table, sd = (proportions_result.obsm[key] for key in ("proportions", "proportions_sd"))
    mean = table.mean().sort_values(ascending=False)
    assert part.rows[0][-2:] == ["inflation", "most easily taken for"]
    assert [row[0] for row in part.rows[1:]] == list(mean.index)
    rows = {row[0]: row[1:] for row in part.rows[1:]}
    assert rows["neuron"] == [
        f"{mean['neuron']:.1%}", "100%", f"{sd['neuron'].median():.1%}", "200", "8,000", "1.2", "glia (−0.20)",
    ]  # fmt: skip
    assert rows["rare"][-1] == ""
    assert rows["unknown"][3:] == ["", "", "", ""]
    assert "<b>T cell (−0.85)</b>" in part.html
    assert "<b>glia" not in part.html


@pytest.mark.usefixtures("inkless")
def test_pictures_fit_what_is_there(proportions_result):
    order = list(proportions_result.obsm["proportions"].mean().sort_values(ascending=False).index)
    assert Part(proportions_result, library_key="slide").pictures == [
        "A pie at each spot: the cell types that it is made of",
        "Mean composition of each domain",
        f"Maps of the shares of {', '.join(order)}",
        "Correlation of the shares of each two types, above what their fixed sum gives",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_proportions, "_PIES", 76)  # a slide has 77 spots
        assert "A pie" not in Part(proportions_result, library_key="slide").pictures[0]
    del proportions_result.obs["domain"], proportions_result.obsm["spatial"], proportions_result.uns["domain"]
    found = Part(proportions_result, library_key="slide").pictures
    assert [alt.split()[0] for alt in found] == ["Mean", "Correlation"]
    assert found[0] == "Mean composition of each slide"
    assert Part(proportions_result).pictures[0] == "Composition of each spot"


@pytest.mark.usefixtures("inkless")
def test_shares_alone_are_enough(proportions_result):
    del proportions_result.uns["deconvolve"], proportions_result.obsm["proportions_sd"]
    part = Part(proportions_result)
    assert part.words.startswith("Shares of 5 cell types in 154 spots. ")
    assert "unknown: How well types are told apart is not stored." in part.words
    assert part.rows[0] == ["type", "mean share", "greatest"]
    assert "Inflation" not in part.html
    assert "Sd:" not in part.html


@pytest.mark.usefixtures("inkless")
def test_many_slides_spots_and_types_are_cut_and_said(proportions_result, monkeypatch):
    proportions_result.obs["five"] = pd.Categorical(np.arange(154) % 5)
    monkeypatch.setattr(_proportions, "MAX_CELLS", 100)
    monkeypatch.setattr(_proportions, "_TYPES", 3)
    part = Part(proportions_result, library_key="five")
    assert "The 3 most abundant of 6 types, on one scale. The first 3 of 5 slides are shown. " in part.words
    assert "No more than 100 spots of a slide are drawn." in part.words
    assert not any(alt.startswith("A pie") for alt in part.pictures)


@pytest.mark.usefixtures("inkless")
def test_two_types_have_no_matrix(proportions_result):
    proportions_result.obsm["proportions"] = proportions_result.obsm["proportions"][["glia", "neuron"]]
    assert not any(alt.startswith("Correlation") for alt in Part(proportions_result).pictures)

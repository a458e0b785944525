import base64
import json
import re
from html.parser import HTMLParser

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

import spotweave as sw
from spotweave import InputError
from spotweave._report import _map

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Checks that tags nest, and collects sections, links, tables and text."""

    def __init__(self, html):
        super().__init__()
        self.open: list[tuple[str, dict]] = []
        self.ids: list[str] = []
        self.sections: list[str] = []
        self.urls: list[str] = []
        self.rows: list[list[str]] = []
        self.text: list[str] = []
        self.json = ""
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids += [given["id"]] if "id" in given else []
        self.sections += [given["id"]] if tag == "section" else []
        self.urls += [v for k, v in attrs if k in {"href", "src", "action", "data", "srcset"}]
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"} and self.rows:
            self.rows[-1].append("")
        if tag not in VOID:
            self.open.append((tag, given))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        tags = [t for t, _ in self.open]
        if "script" in tags:
            self.json += data if self.open[-1][1].get("id") == "map-data" else ""
        elif "style" not in tags:
            self.text.append(data)
            if ("td" in tags or "th" in tags) and self.rows:
                self.rows[-1][-1] += data

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())

    def row(self, first):
        """Cells of the first table row that begins with this text."""
        return next(
            [" ".join(c.split()) for c in row] for row in self.rows if row and " ".join(row[0].split()) == first
        )


def page_of(adata, tmp_path, **options):
    path = sw.report(adata, tmp_path / "r.html", **options)
    return Page(path.read_text(encoding="utf-8"))


def unpacked(text):
    return np.frombuffer(base64.b64decode(text), dtype="<u2")


def test_all_sections_in_order(domains_result, markers_table, tmp_path):
    page = page_of(domains_result, tmp_path, truth="truth", markers=markers_table, title="A <b>title</b>")
    expected = ["summary", "map", "trust", "truth", "choice", "markers", "training", "data", "parameters"]
    assert page.sections == expected
    assert "A <b>title</b>" in page.words  # escaped: it arrives as text
    assert len(page.ids) == len(set(page.ids))


def test_page_needs_no_network(domains_result, markers_table, tmp_path):
    page = page_of(domains_result, tmp_path, truth="truth", markers=markers_table)
    assert all(url.startswith("#") or url == "data:," for url in page.urls)
    assert {u[1:] for u in page.urls if u.startswith("#")} == set(page.sections)
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "http:" not in html
    assert "https:" not in html
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|WebSocket|sendBeacon", html)


def test_numbers_are_those_of_the_object(domains_result, markers_table, tmp_path):
    page = page_of(domains_result, tmp_path, truth="truth", markers=markers_table)
    total = np.asarray(domains_result.X.sum(axis=1)).ravel()
    assert f"median counts {np.median(total):,.0f}" in page.words
    for i, (name, n) in enumerate(domains_result.obs["domain"].value_counts(sort=False).items()):
        row = page.row(str(name))
        assert row[1] == str(n)
        assert row[2] == f"{100 * n / 154:.1f} %"
        inside = domains_result.obs["domain"].cat.codes == i
        assert row[3] == f"{domains_result.obsm['domain_probability'][inside].max(axis=1).mean():.2f}"
        assert row[4:] == [str(int((inside & (domains_result.obs["slide"] == s)).sum())) for s in "AB"]
    known = domains_result.obs.dropna(subset="truth")
    table = pd.crosstab(known["truth"], known["domain"])
    for name in table.index:
        assert page.row(name)[1:] == [str(n) if n else "" for n in table.loc[name]]
    assert f"ARI {sw.metrics.ari(known['truth'], known['domain']):.3f}" in page.words
    assert "Of 152 labelled cells (2 have no label)" in page.words
    assert page.row("gene3")[1] == "2.70"
    assert page.row("library_key")[1] == "slide"


def test_trust_says_what_the_scores_say(domains_result, tmp_path):
    words = page_of(domains_result, tmp_path).words
    assert "The fit converged" in words
    assert "mean ARI of 0.83" in words
    assert "Held-out log-likelihood at 3 domains: -12.25 per cell above that of one domain" in words
    assert "0.25 below the highest, which is at 4 domains" in words
    assert "0.6% of the cells have no domain with a probability of 0.5 or more" in words  # 1 of 154


def test_trust_admits_what_was_not_measured(domains_result, tmp_path):
    domains_result.uns["domain"] = {"params": {"method": "smooth"}, "n_domains": 3, "converged": False}
    del domains_result.obsm["domain_probability"]
    page = page_of(domains_result, tmp_path)
    assert page.sections == ["summary", "map", "trust", "data", "parameters"]
    for part in ("did not converge", "Stability was not measured", "number of domains was given", "No probabilities"):
        assert part in page.words


def test_trust_with_half_of_the_scores(domains_result, tmp_path):
    domains_result.uns["domain"]["stability"] = None
    del domains_result.uns["domain"]["curve"]["held_out"]
    words = page_of(domains_result, tmp_path).words
    assert "Stability was not measured" in words
    assert "No held-out score is stored for 3 domains" in words


def test_map_holds_positions_and_labels(domains_result, tmp_path):
    data = json.loads(page_of(domains_result, tmp_path, truth="truth").json)
    assert (data["n_cells"], data["n_shown"]) == (154, 154)
    assert [layer["name"] for layer in data["layers"]] == ["domain", "truth", "highest probability", "counts per cell"]
    domain, truth = data["layers"][:2]
    np.testing.assert_array_equal(unpacked(domain["codes"]), domains_result.obs["domain"].cat.codes)
    assert domain["colors"] == domains_result.uns["domain_colors"]
    assert np.flatnonzero(unpacked(truth["codes"]) == 65535).tolist() == [3, 100]
    np.testing.assert_array_equal(unpacked(data["slide"]), domains_result.obs["slide"].cat.codes)
    x, y = (unpacked(data[k]) / 65535 * max(data["width"], data["height"]) for k in "xy")
    xy = domains_result.obsm["spatial"]
    for i, rows in enumerate((slice(0, 77), slice(77, None))):
        scale = np.ptp(xy[rows], axis=0).max()
        shape = np.column_stack([x[rows] - x[rows].mean(), y[rows] - y[rows].mean()])
        np.testing.assert_allclose(shape, (xy[rows] - xy[rows].mean(axis=0)) / scale, atol=1e-4)
        assert len(data["slides"][i]["corners"]) == 6
        assert data["slides"][i]["diameter"] == pytest.approx([100, 200][i] / scale)
    assert x[:77].max() < x[77:].min()  # side by side


def test_large_maps_are_sampled_and_say_so(domains_result, tmp_path, monkeypatch):
    monkeypatch.setattr(_map, "MAX_CELLS", 50)
    page = page_of(domains_result, tmp_path)
    data = json.loads(page.json)
    assert (data["n_cells"], data["n_shown"]) == (154, 50)
    assert len(unpacked(data["x"])) == len(unpacked(data["layers"][0]["codes"])) == 50
    assert "The map shows 50 of 154 cells" in page.words
    assert page.row("0")[1] == "56"  # the table counts all


def test_only_sections_for_what_is_there(tmp_path):
    bare = AnnData(sp.csr_matrix(np.array([[1.0, 0], [2, 3], [0, 0]])))
    page = page_of(bare, tmp_path)
    assert page.sections == ["summary", "data"]
    assert "1 of 3 cells hold no counts" in page.words
    bare.X = bare.X * 0.5  # no counts: nothing to say about depth
    assert page_of(bare, tmp_path).sections == ["summary"]
    bare.obsm["spatial"] = np.eye(3, 2)
    assert page_of(bare, tmp_path).sections == ["summary"]


def test_domains_without_coordinates(domains_result, tmp_path):
    del domains_result.obsm["spatial"], domains_result.uns["domain_colors"]
    assert "map" not in page_of(domains_result, tmp_path, truth="truth").sections


def test_names_cannot_break_the_page(domains_result, markers_table, tmp_path):
    evil = "</script><script>alert(1)</script>"
    domains_result.obs["domain"] = domains_result.obs["domain"].cat.rename_categories({"0": evil})
    page = page_of(domains_result, tmp_path, markers=markers_table)
    assert json.loads(page.json)["layers"][0]["names"][0] == evil
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "alert(1)</script>" not in html


def test_markers_from_uns_and_backed_files(domains_result, markers_table, tmp_path):
    domains_result.uns["domain_markers"] = markers_table
    domains_result.write_h5ad(tmp_path / "a.h5ad")
    backed = anndata.read_h5ad(tmp_path / "a.h5ad", backed="r")
    assert "markers" in page_of(backed, tmp_path).sections
    backed.file.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"truth": "nope"}, "truth='nope'"),
        ({"library_key": "nope"}, "library_key"),
        ({"key": "no", "truth": "truth"}, "obs"),
    ],
)
def test_wrong_names(domains_result, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        sw.report(domains_result, tmp_path / "r.html", **options)
    assert not list(tmp_path.iterdir())


def test_wrong_places(domains_result, tmp_path):
    for path in (tmp_path / "none" / "r.html", tmp_path / "r.txt", tmp_path):
        with pytest.raises(InputError):
            sw.report(domains_result, path)


def test_an_older_page_survives_a_failure(domains_result, tmp_path, monkeypatch):
    path = tmp_path / "r.html"
    path.write_text("old")
    monkeypatch.setattr("spotweave._report._build.page", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        sw.report(domains_result, path)
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]
    assert path.read_text() == "old"


def test_report_stays_a_function(domains_result, tmp_path):
    import spotweave._report  # noqa: F401

    assert callable(sw.report)
    assert sw.report(domains_result, tmp_path / "a.html") == tmp_path / "a.html"

"""Panels of a user: their files, and how the published one is told."""

import numpy as np
import pytest

from spotweave import InputError
from spotweave.bench import _histology_panels as panels
from spotweave.bench._histology_panels import GenePanel, gene_hash, named_panels


def test_lines_and_arrays_are_the_same(tmp_path):
    (tmp_path / "a.txt").write_text("TP53\n\n ERBB2 \nTP53\n")
    np.save(tmp_path / "b.npy", np.array(["TP53", "ERBB2"]))
    found = named_panels([f"a={tmp_path / 'a.txt'}", f"b-2={tmp_path / 'b.npy'}"])
    assert list(found) == ["a", "b-2"]
    assert found["a"].genes == found["b-2"].genes == ("TP53", "ERBB2")


def test_the_published_panel_is_told_by_its_genes(monkeypatch):
    assert gene_hash(["b", "a"]) == gene_hash(["a", "b", "a"]) != gene_hash(["a"])
    monkeypatch.setattr(panels, "PUBLISHED_HASH", gene_hash("ab"))
    assert GenePanel("x", genes=("b", "a")).published
    assert not GenePanel("x", genes=("b",)).published
    assert not GenePanel("x").published


@pytest.mark.parametrize("text", ["x", "=f", "a:b=f", "top50=f", "all=f"])
def test_other_forms_are_refused(text):
    with pytest.raises(InputError, match="NAME=FILE"):
        named_panels([text])


def test_files_that_name_no_gene_are_refused(tmp_path):
    (tmp_path / "a.txt").write_text("\n")
    (tmp_path / "b.npy").write_bytes(b"no array")
    np.save(tmp_path / "c.npy", np.array([["x"], None], dtype=object), allow_pickle=True)
    for name, text in (("a.txt", "none"), ("b.npy", "ValueError"), ("c.npy", "ValueError"), ("d", "no file")):
        with pytest.raises(InputError, match=text):
            named_panels([f"own={tmp_path / name}"])
    (tmp_path / "e").write_text("g")
    with pytest.raises(InputError, match="name of its own"):
        named_panels([f"own={tmp_path / 'e'}"] * 2)

import anndata as ad
import pandas as pd
import pytest

from spotweave.cli import main


@pytest.fixture
def source(domains_result, tmp_path):
    domains_result.uns.clear()
    domains_result.obs["state"] = domains_result.obs["slide"].map({"A": "ill", "B": "well"})
    path = tmp_path / "in.h5ad"
    domains_result.write_h5ad(path)
    return path


def test_pairs_are_written_as_a_table(capsys, source, tmp_path):
    out = tmp_path / "pairs.csv"
    names = list(ad.read_h5ad(source).var_names[:4])
    options = ["--genes", ",".join(names), "--library-key", "slide", "--n-top", "3"]
    assert main(["gene-interactions", str(source), "-o", str(out), *options]) == 0
    table = pd.read_csv(out)
    assert list(table) == ["gene_a", "gene_b", "correlation", "z", "p", "q"]
    assert len(table) == 3
    said = capsys.readouterr().out.splitlines()
    assert said[0].endswith("pairs written have q < 0.05; 6 tested")
    assert said[1].startswith("4 genes of 2 sections in")


def test_conditions_of_one_section_come_with_a_note(capsys, source, tmp_path):
    out = tmp_path / "pairs.csv"
    options = ["--genes", "gene0,gene1,gene2", "--library-key", "slide", "--condition-key", "state"]
    assert main(["gene-interactions", str(source), "-o", str(out), *options]) == 0
    assert "correlation_ill" in pd.read_csv(out)
    assert capsys.readouterr().out.splitlines()[2].startswith("note: one section of a condition")


@pytest.mark.parametrize(
    ("tokens", "text"), [(["-o", "a.csv"], "at least one file"), (["x.h5ad", "-o", "a.txt"], ".csv")]
)
def test_wrong_options_are_one_line_and_status_2(capsys, tokens, text):
    assert main(["gene-interactions", *tokens]) == 2
    assert text in capsys.readouterr().err

"""Sections found in a folder: which are taken, what is read of them, and that nothing of other genes is lost."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from PIL import Image

from spotweave.bench._histology_sets import GROUPS, PATIENT, SECTION, SETS, Pictures


def write_section(folder, name, genes, rng, *, picture=True):
    """A lattice of 5 x 4 spots, 100 pixels apart, in a picture of noise."""
    xy = np.stack(np.meshgrid(np.arange(5), np.arange(4)), axis=-1).reshape(-1, 2) * 100.0 + 120
    obs = pd.DataFrame({PATIENT: pd.Categorical([name[0]] * 20)}, index=[f"{name}_{i}" for i in range(20)])
    X = sp.csr_matrix(rng.poisson(2.0, (20, len(genes))).astype(np.float32))
    table = ad.AnnData(X, obs=obs, var=pd.DataFrame(index=list(genes)), obsm={"spatial": xy})
    table.write_h5ad(folder / f"{name}.h5ad")
    if picture:
        Image.fromarray(rng.integers(80, 200, (540, 640, 3), dtype=np.uint8)).save(folder / f"{name}_HE.jpg")
    return table


@pytest.fixture
def folder(tmp_path, monkeypatch, rng):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("spotweave._settings.settings.cache_dir", tmp_path / "usual")
    (tmp_path / "st").mkdir()
    return tmp_path


def test_sections_without_a_picture_stay_out_and_too_few_are_a_reason(folder, rng):
    for name, picture in (("B4", True), ("C1", False), ("C2", True)):
        write_section(folder / "st", name, "abc", rng, picture=picture)
    (folder / "st" / "D1_HE.jpg").touch()
    assert Pictures("st").sections(folder) == ["B4", "C2"]
    assert Pictures("st").missing(folder) is None
    assert Pictures("st", n_patients=2).missing(folder) is None
    assert (Pictures("st", patient="C").missing(folder) or "").startswith("no two sections (C*.h5ad with C*_HE.jpg)")
    (folder / "st" / "C2_HE.jpg").rename(folder / "st" / "B5_HE.jpg")
    (folder / "st" / "C2.h5ad").rename(folder / "st" / "B5.h5ad")
    assert Pictures("st").missing(folder) is None
    assert (Pictures("st", n_patients=2).missing(folder) or "").startswith("no sections of 2 patients")
    assert (Pictures("elsewhere").missing(folder) or "").startswith("no two sections")


def test_table_has_all_genes_and_the_scale_that_was_inferred(folder, rng):
    first, second = (write_section(folder / "st", name, genes, rng) for name, genes in (("B4", "abc"), ("C2", "dcb")))
    source = Pictures("st")
    path = source.locate(folder, folder)
    adata = ad.read_h5ad(path)
    assert list(adata.obs[SECTION]) == ["B4"] * 20 + ["C2"] * 20
    assert list(adata.obs[PATIENT]) == ["B"] * 20 + ["C"] * 20
    assert sorted(adata.var_names) == list("abcd")
    for rows, table, absent in ((slice(0, 20), first, "d"), (slice(20, 40), second, "a")):
        part = adata[rows]
        np.testing.assert_array_equal(part[:, table.var_names].X.toarray(), table.X.toarray())
        assert part[:, absent].X.sum() == 0
    assert adata.obsm["X_image"].shape == (40, 753)
    np.testing.assert_allclose(adata.uns["X_image"]["libraries"]["um_per_px"], 2.0)  # 200 um in 100 pixels
    assert any((folder / "usual" / "tiles").iterdir())
    before = path.stat().st_mtime_ns
    assert source.locate(folder, folder) == path
    assert path.stat().st_mtime_ns == before
    write_section(folder / "st", "C2", "dcbe", rng)
    assert source.locate(folder, folder) != path


def test_groups():
    assert sorted(GROUPS["real"] + GROUPS["simulated"]) == sorted(SETS)
    assert [SETS[name].split for name in GROUPS["real"]] == ["section", "section", "group"]
    assert {SETS[name].title for name in GROUPS["simulated"]} == {"cohort"}


@pytest.mark.data
@pytest.mark.parametrize("name", GROUPS["real"])
def test_real_set(data_dir, name):
    source = SETS[name].source
    assert isinstance(source, Pictures)
    if source.missing(data_dir):
        pytest.skip(f"{name} is not in {data_dir}")
    names = source.sections(data_dir)
    assert len(names) >= 5
    tables = [ad.read_h5ad(data_dir / "her2st" / f"{section}.h5ad", backed="r") for section in names]
    assert [table.obs[PATIENT].unique().tolist() for table in tables] == [[section[0]] for section in names]

"""What every verb that writes into AnnData promises: copies leave the input alone, results fit h5ad, seeds repeat."""

import inspect
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from spotweave import InputError, datasets, gr, pp, tl
from spotweave.core.ensemble import EnsembleParams
from spotweave.models.fusion import FusionParams

Verb = tuple[Callable[..., Any], dict[str, Any]]
CHEAP = EnsembleParams(widths=(5,), n_starts=1, n_rounds=2)
SMALL = {"n_warmup": 4, "n_hidden": 4, "n_curved": 0, "n_latent": 2, "n_inputs": 3}
CELLS = datasets.simulate_reference(datasets.simulate_tissue(240, n_genes=60, n_domains=3, n_slices=2, rng=0), 80)
FROM_CELLS = {"reference": CELLS, "labels_key": "cell_type"}
ROUNDS = {"n_rounds": 2, "n_steps": 2, "n_final": 2, "n_directions": 3, "n_draws": 2}
NETWORK = {"n_networks": 1, "min_rows": 10, "network": FusionParams(n_epochs=2), "ensemble": CHEAP}

COLORS = np.random.default_rng(0).integers(50, 200, (1500, 1500, 3), dtype=np.uint8)
STAIN = {"image": {"slice_1": COLORS, "slice_2": COLORS[::-1]}, "um_per_px": 1.0, "cache_dir": None, "scales": [0.6]}


def brightness(tiles: np.ndarray) -> np.ndarray:
    """An encoder."""
    return tiles.mean(axis=(1, 2))


VERBS: dict[str, Verb] = {
    "gr.knn": (gr.knn, {}),
    "gr.radius": (gr.radius, {"radius": 150.0}),
    "gr.delaunay": (gr.delaunay, {}),
    "gr.grid": (gr.grid, {}),
    "gr.features": (gr.features, {"use_rep": "X_own"}),
    "pp.counts": (pp.counts, {}),
    "pp.normalize": (pp.normalize, {}),
    "pp.select_genes": (pp.select_genes, {"n_top": 20}),
    "pp.tile_features": (pp.tile_features, {"encoder": brightness, "library_key": "slice", **STAIN}),
    "tl.domains fusion": (tl.domains, {"n_domains": 3, **NETWORK}),
    "tl.domains smooth": (tl.domains, {"n_domains": 3, "method": "smooth"}),
    "tl.domains rrr": (tl.domains, {"n_domains": 3, "method": "rrr"}),
    "tl.domains gmm_vgae": (tl.domains, {"n_domains": 3, "method": "gmm_vgae", "max_steps": 6, **SMALL}),
    "tl.denoise gmm_vgae": (tl.denoise, {"library_key": "slice", "sd": True, "max_steps": 6, **SMALL}),
    "tl.denoise factor": (tl.denoise, {"method": "factor", "library_key": "slice", "ranks": (1, 2), "strict": True}),
    "tl.denoise genes": (tl.denoise, {"method": "factor", "genes": ["gene_03", "gene_07"], "ranks": (1,), "sd": True}),
    "tl.spatial_genes": (tl.spatial_genes, {"library_key": "slice"}),
    "tl.spatial_genes alone": (tl.spatial_genes, {"autocorrelation": False, "key_added": "mine"}),
    "tl.gene_embedding smooth": (tl.gene_embedding, {"method": "smooth", "library_key": "slice"}),
    "tl.gene_embedding mae": (tl.gene_embedding, {"max_steps": 4, "n_rounds": 1, "steps_round": 2, "n_latent": 3}),
    "tl.gene_modules": (tl.gene_modules, {"n_modules": 2, "use_rep": "X_own"}),
    "tl.integrate": (tl.integrate, {"library_key": "slice"}),
    "tl.integrate center": (tl.integrate, {"library_key": "slice", "method": "center", "key_added": "mine"}),
    "tl.align": (tl.align, {"library_key": "slice", "n_angles": 6, "warp": True}),
    "tl.align embedding": (tl.align, {"library_key": "slice", "use_rep": "X_own", "n_angles": 6, "key_added": "mine"}),
    "tl.deconvolve": (
        tl.deconvolve,
        {"smoothness": 0.5, "unknown": True, "library_key": "slice", **ROUNDS, **FROM_CELLS},
    ),
    "tl.deconvolve nnls": (tl.deconvolve, {"method": "nnls", "key_added": "mine", **FROM_CELLS}),
    "tl.choose_genes": (tl.choose_genes, {"n_top": 5, "key": "own"}),
}
RETURNING = {
    "cross_validate_histology",
    "domain_markers",
    "find_pattern",
    "gene_images",
    "gene_interactions",
    "impute",
    "map_cells",
}  # return a result, write nothing
UNCOUNTED = ("gr", "pp.tile_features", "tl.gene_modules", "tl.choose_genes", "tl.align embedding")  # read no counts
SLOTS = ("obs", "var", "obsm", "varm", "obsp", "layers", "uns")

every_verb = pytest.mark.parametrize(("verb", "options"), VERBS.values(), ids=VERBS)
counting = pytest.mark.parametrize(
    ("verb", "options"),
    [v for k, v in VERBS.items() if not k.startswith(UNCOUNTED)],
    ids=[k for k in VERBS if not k.startswith(UNCOUNTED)],
)


@pytest.fixture(scope="module")
def original() -> ad.AnnData:
    adata = datasets.simulate_tissue(240, n_genes=60, n_domains=3, n_slices=2, rng=0)
    adata.obsm["X_own"] = np.random.default_rng(0).normal(size=(240, 6))
    adata.varm["X_own"] = np.random.default_rng(1).normal(size=(60, 3))
    adata.var["own_statistic"], adata.var["own_qvalue"] = np.arange(60.0), np.linspace(0, 0.06, 60)
    return adata


def contents(adata: ad.AnnData) -> dict[str, Any]:
    """All that a table holds, in forms that compare by value."""
    found: dict[str, Any] = {"X": plain(adata.X), "names": [*adata.obs_names, *adata.var_names]}
    for slot in SLOTS:
        store = getattr(adata, slot)
        found |= {f"{slot}/{key}": plain(store[key]) for key in store}
    return found


def plain(value: Any) -> Any:
    if sp.issparse(value):
        return sp.csr_matrix(value).toarray()
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, pd.DataFrame):
        return value.to_dict("list")
    if isinstance(value, pd.Series):
        return list(value.astype(str)) if value.dtype == "category" else list(value)
    return np.array(value) if isinstance(value, np.ndarray | list) else value


def called(adata: ad.AnnData, verb: Callable[..., Any], options: dict[str, Any]) -> dict[str, Any]:
    """What a verb adds to a copy of the table, or changes in it."""
    target, before = adata.copy(), contents(adata)
    assert verb(target, **options) is None
    after = contents(target)
    assert set(before) <= set(after)
    for key in before:
        np.testing.assert_equal(after[key], before[key], err_msg=key)
    return {key: value for key, value in after.items() if key not in before}


def test_no_verb_is_missing_here():
    tested = {verb.__name__ for verb, _ in VERBS.values()} | RETURNING
    public = [getattr(module, name) for module in (gr, pp, tl) for name in module.__all__]
    assert {verb.__name__ for verb in public if inspect.isfunction(verb)} == tested


@every_verb
def test_writes_something_and_touches_nothing_else(original, verb, options):
    assert called(original, verb, options)


@every_verb
def test_copy_returns_the_result_and_leaves_the_table_alone(original, verb, options):
    adata = original.copy()
    before = contents(adata)
    assert verb(adata, copy=True, **options) is not None
    np.testing.assert_equal(contents(adata), before)


@every_verb
def test_result_shares_no_memory_with_the_table(original, verb, options):
    adata = original.copy()
    result = verb(adata, copy=True, **options)
    values = [
        v.to_numpy() if isinstance(v, pd.DataFrame) else v for v in (result if isinstance(result, tuple) else [result])
    ]
    parts = [v for v in values if sp.issparse(v) or isinstance(v, np.ndarray)]
    for part in parts:
        stored = part.data if sp.issparse(part) else part
        assert not np.shares_memory(stored, adata.X.data)
        assert not np.shares_memory(stored, adata.obsm["spatial"])


@every_verb
def test_result_survives_h5ad(original, verb, options, tmp_path):
    adata = original.copy()
    verb(adata, **options)
    adata.write_h5ad(tmp_path / "a.h5ad")
    written, read = contents(adata), contents(ad.read_h5ad(tmp_path / "a.h5ad"))
    assert set(written) == set(read)
    for key in set(written) - set(contents(original)):
        np.testing.assert_equal(plain(read[key]), plain(written[key]), err_msg=key)


@every_verb
def test_same_call_same_result_and_no_global_seed(original, verb, options):
    state = np.random.get_state()  # noqa: NPY002
    first = called(original, verb, options)
    np.testing.assert_equal(np.random.get_state(), state)  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    np.testing.assert_equal(called(original, verb, options), first)
    np.random.set_state(state)  # noqa: NPY002


@every_verb
def test_table_of_spatialdata(original, verb, options):
    data = SimpleNamespace(tables={"cells": original.copy()})
    expected = called(original, verb, options)
    assert verb(data, table_key="cells", **options) is None
    found = contents(data.tables["cells"])
    np.testing.assert_equal({key: found[key] for key in expected}, expected)


@counting
@pytest.mark.parametrize("kind", ["dense", "csc", "int"])
def test_same_result_whatever_holds_the_counts(original, verb, options, kind):
    expected = called(original, verb, options)
    other = original.copy()
    other.X = {"dense": other.X.toarray, "csc": other.X.tocsc, "int": lambda: other.X.astype(np.int32)}[kind]()
    np.testing.assert_equal(called(other, verb, options), expected)


@every_verb
def test_a_view_takes_the_result_and_its_parent_stays(original, verb, options):
    parent = original.copy()
    before, rows = contents(parent), np.arange(0, 240, 2)
    expected = called(original[rows].copy(), verb, options)
    view = parent[rows]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ad.ImplicitModificationWarning)  # anndata's, on writing into a view
        verb(view, **options)
    found = contents(view)
    np.testing.assert_equal({key: found[key] for key in expected}, expected)
    np.testing.assert_equal(contents(parent), before)


@every_verb
def test_all_but_the_data_and_the_main_argument_is_by_keyword(verb, options):
    parameters = list(inspect.signature(verb).parameters.values())
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    main = (None, "image", "n_domains", "n_modules", "reference")
    assert positional in [["adata", name] if name else ["adata"] for name in main]
    assert inspect.signature(verb).parameters["copy"].default is False


@every_verb
def test_anything_else_than_a_table_is_refused(verb, options):
    with pytest.raises(InputError, match="AnnData or SpatialData"):
        verb(np.ones((3, 3)), **options)


@counting
def test_values_that_are_no_counts_are_refused_and_nothing_is_written(original, verb, options):
    adata = original.copy()
    adata.X.data[0] = 0.5
    before = contents(adata)
    with pytest.raises(InputError, match="whole-number counts"):
        verb(adata, **options)
    np.testing.assert_equal(contents(adata), before)


@pytest.fixture(scope="module")
def pair(original) -> tuple[ad.AnnData, ad.AnnData]:
    """Two inputs of `tl.impute`: a panel of 40 genes, and cells with 20 more."""
    return original[:, :40].copy(), datasets.simulate_reference(original, 80, rng=0)


QUICK: dict[str, Any] = {"n_folds": 2, "library_key": "slice"}


def test_impute_leaves_both_inputs_alone_shares_nothing_and_repeats(pair):
    before, state = [contents(table) for table in pair], np.random.get_state()  # noqa: NPY002
    found = tl.impute(*pair, **QUICK)
    np.testing.assert_equal(np.random.get_state(), state)  # noqa: NPY002
    expected = contents(found)
    np.testing.assert_equal([contents(table) for table in pair], before)
    np.random.seed(1)  # noqa: NPY002
    np.testing.assert_equal(contents(tl.impute(*pair, **QUICK)), expected)
    np.random.set_state(state)  # noqa: NPY002
    assert not np.shares_memory(found.obsm["spatial"], pair[0].obsm["spatial"])
    found.obs["domain_true"] = "changed"
    np.testing.assert_equal(contents(pair[0]), before[0])


def test_imputed_genes_survive_h5ad(pair, tmp_path):
    found = tl.impute(*pair, **QUICK)
    found.write_h5ad(tmp_path / "a.h5ad")
    np.testing.assert_equal(contents(ad.read_h5ad(tmp_path / "a.h5ad")), contents(found))


@pytest.mark.parametrize("kind", ["dense", "csc", "int", "spatialdata", "view"])
def test_impute_gives_the_same_whatever_holds_the_counts(pair, kind):
    expected = tl.impute(*pair, **QUICK)
    if kind in {"spatialdata", "view"}:
        made = {
            "spatialdata": lambda a: SimpleNamespace(tables={"table": a.copy()}),
            "view": lambda a: a[np.arange(a.n_obs)],
        }
        others = [made[kind](table) for table in pair]
    else:
        others = [table.copy() for table in pair]
        for other in others:
            X = sp.csr_matrix(other.X)
            other.X = {"dense": X.toarray, "csc": X.tocsc, "int": lambda X=X: X.astype(np.int32)}[kind]()
    found = tl.impute(*others, **QUICK)
    np.testing.assert_equal(contents(found), contents(expected))


@pytest.mark.parametrize("which", [0, 1])
def test_impute_refuses_what_are_no_counts_or_no_table(pair, which):
    with pytest.raises(InputError, match="AnnData or SpatialData"):
        tl.impute(*[np.ones((3, 3)) if i == which else table for i, table in enumerate(pair)])
    broken = [table.copy() for table in pair]
    broken[which].X = sp.csr_matrix(broken[which].X) * 0.5
    with pytest.raises(InputError, match=f"{('target', 'reference')[which]}.*whole-number counts"):
        tl.impute(*broken, **QUICK)


def test_all_of_impute_but_the_two_tables_is_by_keyword():
    parameters = inspect.signature(tl.impute).parameters.values()
    assert [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD] == ["adata", "reference"]

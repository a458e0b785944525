import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from spotweave import InputError, pl
from spotweave.pl._shares import shares_of, some_types


def test_the_most_abundant_have_the_first_colours_and_the_unknown_is_grey(proportions_result):
    shares = shares_of(proportions_result)
    mean = proportions_result.obsm["proportions"].mean().drop("unknown").sort_values(ascending=False)
    expected = dict(zip(mean.index, pl.palette(5), strict=True)) | {"unknown": "#8a8a8a"}
    assert dict(zip(shares.names, shares.colors, strict=True)) == expected
    np.testing.assert_array_equal(shares.values, proportions_result.obsm["proportions"])


def test_colours_of_the_object_and_of_the_caller_come_first(proportions_result):
    proportions_result.uns["proportions_colors"] = ["red", "blue", "green", "black", "pink", "grey"]
    assert shares_of(proportions_result).colors[:2] == ["#ff0000", "#0000ff"]
    assert shares_of(proportions_result, palette={"T cell": "yellow"}).colors[:2] == ["#d4d4d4", "#ffff00"]


def test_some_types_in_order_of_abundance_or_as_asked(proportions_result):
    shares, table = shares_of(proportions_result), proportions_result.obsm["proportions"]
    order = table.mean().sort_values(ascending=False).index.tolist()
    assert some_types(shares, None, most=9, rest=True).names == order
    few = some_types(shares, None, most=2, rest=True)
    assert few.names == [*order[:2], "others"]
    np.testing.assert_allclose(few.values[:, 2], table[order[2:]].sum(axis=1), rtol=1e-5)
    assert few.colors[:2] == [shares.colors[shares.names.index(name)] for name in order[:2]]
    chosen = some_types(shares, ["rare", "glia"], most=1, rest=False)
    assert chosen.names == ["rare", "glia"]
    np.testing.assert_array_equal(chosen.values, table[["rare", "glia"]])


def test_arrays_and_spots_without_shares():
    adata = AnnData(np.zeros((3, 1)), obsm={"x": np.array([[0.2, 0.8], [np.nan, np.nan], [0.1, 0.9]])})
    shares = shares_of(adata, "x")
    assert shares.names == ["0", "1"]
    assert some_types(shares, None, most=1, rest=False).names == ["1"]


@pytest.mark.parametrize(
    ("table", "text"),
    [(None, "obsm keys.*deconvolve"), ([[0.5, -0.5]] * 3, "negative"), (np.zeros((3, 0)), "shape")],
)
def test_what_holds_no_shares_is_refused(table, text):
    adata = AnnData(np.zeros((3, 1)))
    if table is not None:
        adata.obsm["proportions"] = pd.DataFrame(np.array(table), index=adata.obs_names)
    with pytest.raises(InputError, match=text):
        shares_of(adata)


@pytest.mark.parametrize("types", [["nope", "glia"], []])
def test_types_that_are_not_there(proportions_result, types):
    with pytest.raises(InputError, match="`types` out of .*B cell"):
        some_types(shares_of(proportions_result), types, most=3, rest=False)

"""The Markdown page of the benchmark of imputed genes for clusters."""

import pandas as pd

from . import _summary as summary
from ._costs_table import failures, threads
from ._denoise_tables import score_table
from ._domains_page import in_order
from ._host import host
from ._impute_domains_features import BASE, FEATURES, N_COMPONENTS, N_IMPUTED, NOISE
from ._impute_domains_sets import METHODS, PLAIN, SETS, SPACE
from ._markdown import number, seconds, table

TITLES = {
    SPACE: f'regions by `tl.domains(method="{SPACE}")`',
    PLAIN[0]: "cell types by a mixture with one covariance, without space",
    PLAIN[1]: "cell types by k-means, without space",
}


def impute_domains_page(rows: pd.DataFrame) -> str:
    """Return the summary of all rows of ``impute_domains.csv``."""
    good, parts = summary.succeeded(rows), ["# Imputed genes for clusters\n"]
    if len(good):
        parts.append(_said(good))
        for method in in_order(good["method"], METHODS):
            parts += _of_method(method, good[good["method"] == method])
    return "\n".join([*parts, *failures(rows), "---\n", f"Summed up on {host()}\n"])


def _said(rows: pd.DataFrame) -> str:
    n_seeds = rows["seed"].nunique()
    return (
        f"ARI with known labels, mean ± standard deviation over {n_seeds} seed{'s' * (n_seeds > 1)}, {threads(rows)}, "
        f"the true number of labels given. Features: `{BASE}`, the measured genes; `imputed`, the {N_IMPUTED} genes "
        f"outside the panel that `tl.impute` expects to predict best; `{NOISE}`, these with cells permuted. One "
        "protocol for all: logarithms of counts or expected counts at the median depth, genes centred and scaled, "
        f"{N_COMPONENTS} principal components. Panels that are a part of the genes are drawn anew for each seed. Bold: "
        "the best of a row.\n"
    )


def _of_method(method: str, rows: pd.DataFrame) -> list[str]:
    parts = [f'## `tl.impute(method="{method}")`\n', _panels(rows)]
    for clustering in in_order(rows["clustering"], TITLES):
        parts += _of_clustering(clustering, rows[rows["clustering"] == clustering])
    return parts


def _panels(rows: pd.DataFrame) -> str:
    """What was given and what was added, means over seeds."""
    rows = rows.drop_duplicates(["dataset", "seed"])
    columns = {"n_obs": 0, "n_genes": 0, "n_shared": 0, "n_imputed": 0, "expected_correlation": 3}
    found = summary.entries(rows.groupby("dataset")[list(columns)].mean())
    cpu = rows.groupby("dataset")["cpu_s"].median()
    lines = [
        [name, *(number(found[name][column], digits) for column, digits in columns.items()), seconds(cpu[name])]
        for name in in_order(found, SETS)
    ]
    heads = ["cells", "panel genes", "shared", "imputed", "expected correlation", "CPU s"]
    return table(["data set", *heads], lines)


def _of_clustering(clustering: str, rows: pd.DataFrame) -> list[str]:
    rows = rows.assign(method=rows["features"])
    names, title = in_order(rows["method"], FEATURES), TITLES.get(clustering, clustering)
    parts = [f"### ARI, {title}\n", score_table(rows, in_order(rows["dataset"], SETS), names, "ari", best="high")]
    others = [name for name in names if name != BASE]
    if BASE in names and others:
        said = f"Difference to `{BASE}` of the same seed.\n"
        parts += [said, score_table(paired(rows), in_order(rows["dataset"], SETS), others, "ari", best="")]
    return parts


def paired(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with what their ARI is above that of the panel of the same data set and seed."""
    run = ["dataset", "seed"]
    base = rows[rows["features"] == BASE].set_index(run)["ari"]
    gap = rows["ari"].to_numpy() - base.reindex(pd.MultiIndex.from_frame(rows[run])).to_numpy()
    return rows.assign(ari=gap)[rows["features"] != BASE]

"""``spotweave integrate``."""

import time
from pathlib import Path
from typing import Literal

from ._app import AS_IT_IS, Output, Reading, Seed, Settings, app, say, settings_of


@app.command
def integrate(
    source: Path,
    /,
    *,
    output: Output,
    library_key: str,
    batch_key: str | None = None,
    method: Literal["matched", "harmony", "center"] = "matched",
    layer: str | None = None,
    use_rep: str | None = None,
    n_top_genes: int = 3_000,
    n_components: int = 100,
    spatial_key: str = "spatial",
    key_added: str = "integrated",
    rng: Seed = 0,
    param: Settings = None,
    reading: Reading = AS_IT_IS,
) -> None:
    """Remove the effect of the slice, or another batch, from components of expression.

    Afterwards: spotweave domains OUT -o OUT --n-domains K --use-rep X_integrated --library-key KEY

    Parameters
    ----------
    source
        .h5ad or .zarr that holds all slices.
    output
        .h5ad or .zarr to write; may be the input.
    library_key
        obs column of the slide; surroundings end there.
    batch_key
        obs column whose effect is removed; the slide when left out.
    method
        matched, harmony (package harmonypy) or center.
    layer
        Layer of the raw counts; "counts" when there, else X.
    use_rep
        Correct this embedding of obsm instead of components of the counts.
    n_top_genes
        Genes that are used, the most variable ones within batches.
    n_components
        Principal components.
    spatial_key
        Coordinates in obsm.
    key_added
        The result is X_ and this name in obsm.
    rng
        Seed.
    param
        Further setting of the method, as name=value; may be repeated.
    """
    from .. import _keys as keys
    from .. import io, tl
    from .._whole import check_target

    check_target(output, ".h5ad", ".zarr")
    adata = reading(source)
    start = time.perf_counter()
    tl.integrate(
        adata,
        library_key=library_key,
        batch_key=batch_key,
        method=method,
        layer=layer,
        use_rep=use_rep,
        n_top_genes=n_top_genes,
        n_components=n_components,
        spatial_key=spatial_key,
        key_added=key_added,
        rng=rng,
        **settings_of(param or []),
    )
    seconds = time.perf_counter() - start
    io.write(adata, output)
    report = adata.uns[keys.integrate(key_added)]
    say(f"{len(report['batches'])} batches of {adata.n_obs:,} cells by {method} in {seconds:.1f} s -> {output}")
    say(
        f"mixing (iLISI, 0 apart to 1 mixed): {report['ilisi_before']:.2f} -> {report['ilisi_after']:.2f}; "
        f"{report['neighbors_kept']:.0%} of the nearest surroundings on the own slide are kept"
    )

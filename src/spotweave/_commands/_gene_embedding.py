"""``spotweave gene-embedding`` and ``spotweave gene-modules``."""

import time
from pathlib import Path
from typing import Literal

from ._app import AS_IT_IS, Output, Reading, app, say, settings_of


@app.command
def gene_embedding(
    source: Path,
    /,
    *,
    output: Output,
    method: Literal["mae", "smooth"] = "mae",
    min_counts: int = 10,
    layer: str | None = None,
    spatial_key: str = "spatial",
    library_key: str | None = None,
    key_added: str = "X_gene",
    seed: int = 0,
    device: str = "auto",
    param: tuple[str, ...] = (),
    reading: Reading = AS_IT_IS,
) -> None:
    """Give each gene a vector by the shape of its pattern in the tissue.

    Parameters
    ----------
    source
        .h5ad, .zarr, a Visium, Visium HD or Xenium folder, or an ST count table.
    output
        .h5ad or .zarr to write; may be the input.
    method
        "mae": masked autoencoder; "smooth": no training.
    min_counts
        Genes of fewer molecules are left out.
    layer
        Layer of the raw counts; "counts" when there, else X.
    spatial_key
        Coordinates in obsm.
    library_key
        obs column of the slide.
    key_added
        Name in varm.
    seed
        Of everything random.
    device
        "auto", "cpu", "cuda", ...
    param
        A setting of the method, as name=value; may be repeated.
    """
    from .. import io, tl
    from .._whole import check_target

    check_target(output, ".h5ad", ".zarr")
    adata = reading(source)
    start = time.perf_counter()
    tl.gene_embedding(
        adata,
        method=method,
        min_counts=min_counts,
        layer=layer,
        spatial_key=spatial_key,
        library_key=library_key,
        key_added=key_added,
        rng=seed,
        device=device,
        **settings_of(param),
    )
    seconds = time.perf_counter() - start
    io.write(adata, output)
    n, n_patterned = adata.uns["gene_embedding"]["n_genes"], int(adata.var["gene_patterned"].sum())
    say(f"{n:,} genes embedded, {n_patterned:,} of them vary in space; in {seconds:.1f} s -> {output}")


@app.command
def gene_modules(
    source: Path,
    /,
    *,
    output: Output,
    n_modules: int | None = None,
    use_rep: str = "X_gene",
    key_added: str = "gene_module",
    seed: int = 0,
    reading: Reading = AS_IT_IS,
) -> None:
    """Group genes of like pattern into modules, after gene-embedding.

    Parameters
    ----------
    source
        .h5ad or .zarr that gene-embedding wrote.
    output
        .h5ad or .zarr to write; may be the input.
    n_modules
        How many; chosen when left out.
    use_rep
        Name of the embedding in varm.
    key_added
        Name in var, varm and uns.
    seed
        Of everything random.
    """
    from .. import io, tl
    from .._whole import check_target

    check_target(output, ".h5ad", ".zarr")
    adata = reading(source)
    start = time.perf_counter()
    tl.gene_modules(adata, n_modules, use_rep=use_rep, key_added=key_added, rng=seed)
    seconds = time.perf_counter() - start
    io.write(adata, output)
    sizes = adata.var[key_added].value_counts().sort_index(key=lambda names: names.astype(int))
    say(f"{int(sizes.sum()):,} genes in {len(sizes)} modules in {seconds:.1f} s -> {output}")
    say("genes in each: " + ", ".join(f"{name}: {n:,}" for name, n in sizes.items()))

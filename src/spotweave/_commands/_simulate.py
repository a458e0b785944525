"""``spotweave demo`` and ``spotweave simulate``: tissues whose truth is known."""

from pathlib import Path
from typing import Literal

from ._app import Output, Seed, app, say


@app.command
def demo(*, output: Output = Path("spotweave-demo"), n_obs: int = 3_000, rng: Seed = 0) -> None:
    """Find domains, expression and genes of a simulated tissue, and compare them with the truth.

    Parameters
    ----------
    output
        Folder for the pictures, the report and the data; made when missing.
    n_obs
        Spots to simulate.
    rng
        Seed.
    """
    from .._demo import run

    run(output, n_obs=n_obs, rng=rng, say=say)


@app.command
def simulate(
    *,
    output: Output,
    n_obs: int = 2_000,
    n_genes: int = 500,
    n_domains: int = 5,
    layout: Literal["layers", "blobs", "rings"] = "layers",
    resolution: Literal["spot", "cell"] = "spot",
    n_slices: int = 1,
    signal: float = 0.5,
    dropout: float = 0.0,
    batch_effect: float = 0.0,
    image: bool = False,
    rng: Seed = 0,
) -> None:
    """Write a simulated tissue whose domains, cell types and programs are known.

    Parameters
    ----------
    output
        .h5ad or .zarr to write.
    n_obs
        Spots or cells in all slices together.
    n_genes
        Genes.
    n_domains
        Domains.
    layout
        Shape of the domains.
    resolution
        Spots 100 micrometres apart, or single cells.
    n_slices
        Slices of the same anatomy.
    signal
        How far domains differ, from 0 to 1.
    dropout
        Probability that a non-zero count is lost.
    batch_effect
        Standard deviation of the log effect of a slice on its genes.
    image
        Also draw an H&E-like picture of each slice.
    rng
        Seed.
    """
    from .. import datasets, io
    from .._whole import check_target

    check_target(output, ".h5ad", ".zarr")
    adata = datasets.simulate_tissue(
        n_obs,
        n_genes=n_genes,
        n_domains=n_domains,
        layout=layout,
        resolution=resolution,
        n_slices=n_slices,
        signal=signal,
        dropout=dropout,
        batch_effect=batch_effect,
        image=image,
        rng=rng,
    )
    io.write(adata, output)
    say(f"{adata.n_obs:,} x {adata.n_vars:,} -> {output}")

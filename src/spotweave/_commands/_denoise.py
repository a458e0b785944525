"""``spotweave denoise``."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from ._app import AS_IT_IS, Output, Reading, Seed, Settings, app, say, settings_of


@app.command
def denoise(  # noqa: PLR0913 (options of the command line; all but one have defaults)
    source: Path,
    /,
    *,
    output: Output,
    method: Literal["gmm_vgae", "factor"] = "gmm_vgae",
    genes: str | None = None,
    sd: bool = False,
    layer: str | None = None,
    spatial_key: str = "spatial",
    library_key: str | None = None,
    graph_key: str | None = None,
    use_graph: bool | None = None,
    guard: bool = True,
    strict: bool = False,
    key_added: str = "denoised",
    rng: Seed = 0,
    device: str = "auto",
    param: Settings = None,
    reading: Reading = AS_IT_IS,
) -> None:
    """Estimate the expected counts behind the measured ones.

    Parameters
    ----------
    source
        .h5ad, .zarr, a Visium, Visium HD or Xenium folder, or an ST count table.
    output
        .h5ad or .zarr to write; may be the input.
    method
        gmm_vgae (trained), or factor (low-rank Poisson model).
    genes
        Estimate these genes only, with commas between; all counts are learned from all the same.
    sd
        Write standard deviations too.
    layer
        Layer of the raw counts; "counts" when there, else X.
    spatial_key
        Coordinates in obsm.
    library_key
        obs column of the slide; no neighbour is on another slide.
    graph_key
        Graph in obsp instead of 6 nearest neighbours.
    use_graph
        Let estimates use neighbours or not; decided by the data when left out.
    guard
        Weigh the model against the counts, gene by gene; without it the model alone.
    strict
        Give a gene a pattern only where its own held-out counts support one.
    key_added
        Name of the result in layers (with genes: obsm), varm and uns.
    rng
        Seed.
    device
        auto, cpu, cuda, cuda:1 or mps.
    param
        Further setting of the method, as name=value; may be repeated.
    """
    from .. import io, tl
    from .._whole import check_target

    check_target(output, ".h5ad", ".zarr")
    adata = reading(source)
    chosen = None if genes is None else [name.strip() for name in genes.split(",")]
    start = time.perf_counter()
    tl.denoise(
        adata,
        method=method,
        genes=chosen,
        sd=sd,
        layer=layer,
        spatial_key=spatial_key,
        library_key=library_key,
        graph_key=graph_key,
        use_graph=use_graph,
        guard=guard,
        strict=strict,
        key_added=key_added,
        rng=rng,
        device=device,
        **settings_of(param or []),
    )
    seconds = time.perf_counter() - start
    io.write(adata, output)
    n_genes = adata.n_vars if chosen is None else len(set(chosen))
    say(f"{n_genes:,} genes of {adata.n_obs:,} cells denoised by {method} in {seconds:.1f} s -> {output}")
    for line in _summary(adata.uns[key_added]):
        say(line)


def _summary(result: Mapping[str, Any]) -> list[str]:
    """What the run says of itself, for readers who will not open the file."""
    ours, plain = float(result["deviance"]), float(result["deviance_mean"])
    change = "less" if ours < plain else "more"
    less = f" ({abs(1 - ours / plain):.1%} {change})" if plain > 0 else ""
    lines = [
        f"deviance of held-out molecules: {ours:.4g}, of the genes' means {plain:.4g}{less}",
        f"neighbours: {'used' if result['graph_used'] else 'not used'}",
    ]
    if not result["converged"]:
        lines.append("the fit had not converged")
    return [*lines, f"note: {result['warning']}"]

"""``spotweave domains``."""

import time
from pathlib import Path
from typing import Any, Literal

from ._app import AS_IT_IS, Output, Reading, Seed, Settings, app, say, settings_of, title_of


@app.command
def domains(  # noqa: PLR0913 (options of the command line; all but one have defaults)
    source: Path,
    /,
    *,
    output: Output,
    n_domains: int | None = None,
    method: Literal["fusion", "smooth", "rrr", "gmm_vgae"] = "fusion",
    layer: str | None = None,
    use_rep: str | None = None,
    spatial_key: str = "spatial",
    library_key: str | None = None,
    refine: bool = False,
    key_added: str = "domain",
    rng: Seed = 0,
    device: str = "auto",
    param: Settings = None,
    report: Path | None = None,
    truth: str | None = None,
    markers: Path | None = None,
    reading: Reading = AS_IT_IS,
) -> None:
    """Find tissue domains.

    Parameters
    ----------
    source
        .h5ad, .zarr, a Visium, Visium HD or Xenium folder, or an ST count table.
    output
        .h5ad or .zarr to write; may be the input.
    n_domains
        Number of domains; chosen by stability and held-out likelihood when left out.
    method
        fusion or gmm_vgae (trained), or smooth and rrr (closed form).
    layer
        Layer of the raw counts; "counts" when there, else X.
    use_rep
        Use this embedding of obsm instead of the counts.
    spatial_key
        Coordinates in obsm.
    library_key
        obs column of the slide; nothing is smoothed across slides.
    refine
        Let neighbours vote on the labels at the end.
    key_added
        Name of the result in obs and uns.
    rng
        Seed.
    device
        auto, cpu, cuda, cuda:1 or mps.
    param
        Further setting of the method, as name=value; may be repeated.
    report
        Also write this HTML report.
    truth
        Known labels in obs, for the report.
    markers
        Also write the table of marker genes as this CSV file.
    """
    from .. import io, tl
    from .._whole import check_target, write_whole

    check_target(output, ".h5ad", ".zarr")
    for path, ending in ((report, ".html"), (markers, ".csv")):
        if path is not None:
            check_target(path, ending)
    adata = reading(source)
    if truth is not None:
        from .._table import get_obs

        get_obs(adata, truth, name="truth")
    start = time.perf_counter()
    tl.domains(
        adata,
        n_domains,
        method=method,
        layer=layer,
        use_rep=use_rep,
        spatial_key=spatial_key,
        library_key=library_key,
        refine=refine,
        key_added=key_added,
        rng=rng,
        device=device,
        **settings_of(param or []),
    )
    seconds = time.perf_counter() - start
    if report is not None or markers is not None:
        from .._report import report as write_report

        table = tl.domain_markers(adata, groupby=key_added, layer=layer)
        if markers is not None:
            write_whole(markers, table.to_csv(index=False).encode())
        if report is not None:
            options: dict[str, Any] = {"truth": truth, "key": key_added, "spatial_key": spatial_key}
            write_report(adata, report, title=title_of(source), markers=table, **options)
    io.write(adata, output)
    result = adata.uns[key_added]
    say(f"{adata.obs[key_added].nunique()} domains of {adata.n_obs:,} cells by {method} in {seconds:.1f} s -> {output}")
    if result.get("stability") is not None:
        say(f"stability (mean ARI between the fits and their average): {float(result['stability']):.3f}")

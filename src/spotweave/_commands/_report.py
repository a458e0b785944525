"""``spotweave report`` and ``spotweave info``: what a file holds."""

from pathlib import Path
from typing import Any

from ._app import AS_IT_IS, Output, Reading, app, say, title_of


@app.command
def report(
    source: Path,
    /,
    *,
    output: Output,
    title: str | None = None,
    truth: str | None = None,
    key: str = "domain",
    spatial_key: str = "spatial",
    library_key: str | None = None,
    reading: Reading = AS_IT_IS,
) -> None:
    """Write one self-contained HTML page about what a file holds.

    Parameters
    ----------
    source
        .h5ad, .zarr, a Visium, Visium HD or Xenium folder, or an ST count table.
    output
        .html to write.
    title
        Heading of the page; the name of the file when left out.
    truth
        Known labels in obs to compare the domains with.
    key
        Name of the domains in obs and uns.
    spatial_key
        Coordinates in obsm.
    library_key
        obs column of the slide; that of the run when left out.
    """
    from .._report import report as write_report
    from .._whole import check_target

    check_target(output, ".html")
    adata = reading(source, backed=True)
    options: dict[str, Any] = {"truth": truth, "key": key, "spatial_key": spatial_key, "library_key": library_key}
    write_report(adata, output, title=title or title_of(source), **options)
    say(str(output))


@app.command
def info(source: Path, /, *, reading: Reading = AS_IT_IS) -> None:
    """Say what a file holds: sizes, counts, coordinates, layers, and what spotweave wrote into it.

    Parameters
    ----------
    source
        .h5ad, .zarr, a Visium, Visium HD or Xenium folder, or an ST count table.
    """
    from .._info import describe

    for line in describe(reading(source, backed=True)):
        say(line)

"""Commands, one for each verb. Heavy imports happen inside them, so that help is instant."""

import time
from ast import literal_eval
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from ._check import fail

if TYPE_CHECKING:
    from anndata import AnnData

Output = Annotated[Path, Parameter(name=["--output", "-o"])]
Seed = Annotated[int, Parameter(name=["--rng", "--seed"])]

app = App(
    name="spotweave",
    help="Infer what a spatial-transcriptomics experiment did not measure.",
    help_format="plaintext",
    version=lambda: version("spotweave"),
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
if (Path(__file__).parent / "bench" / "cli.py").exists():
    app.command("spotweave.bench.cli:app", name="bench", help="Compare methods on data sets with known labels.")


@Parameter(name="*")
@dataclass(frozen=True)
class Reading:
    """How the input is read.

    Parameters
    ----------
    table_key
        Table of a SpatialData store.
    bin_um
        Visium HD: side of the squares in micrometres.
    """

    table_key: str = "table"
    bin_um: int = 8

    def __call__(self, source: Path, *, backed: bool = False) -> "AnnData":
        """Read, with the matrix left on disk where the format allows it."""
        from . import io

        backed = backed and source.suffix in {".h5ad", ".zarr"}
        return io.read(source, table_key=self.table_key, bin_um=self.bin_um, backed=backed)


@app.command
def domains(  # noqa: PLR0913 (options of the command line; all but one have defaults)
    source: Path,
    /,
    *,
    output: Output,
    n_domains: int | None = None,
    method: Literal["fusion", "smooth", "rrr"] = "fusion",
    layer: str | None = None,
    use_rep: str | None = None,
    spatial_key: str = "spatial",
    library_key: str | None = None,
    refine: bool = False,
    key_added: str = "domain",
    rng: Seed = 0,
    device: str = "auto",
    param: Annotated[list[str] | None, Parameter(negative="")] = None,
    report: Path | None = None,
    truth: str | None = None,
    markers: Path | None = None,
    reading: Reading = Reading(),
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
        fusion (trained), or smooth and rrr (closed form).
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
    from . import io, tl
    from ._whole import check_target, write_whole

    check_target(output, ".h5ad", ".zarr")
    for path, ending in ((report, ".html"), (markers, ".csv")):
        if path is not None:
            check_target(path, ending)
    adata = reading(source)
    if truth is not None:
        from ._table import get_obs

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
        **_settings_of(param or []),
    )
    seconds = time.perf_counter() - start
    if report is not None or markers is not None:
        from ._report import report as write_report

        table = tl.domain_markers(adata, groupby=key_added, layer=layer)
        if markers is not None:
            write_whole(markers, table.to_csv(index=False).encode())
        if report is not None:
            options: dict[str, Any] = {"truth": truth, "key": key_added, "spatial_key": spatial_key}
            write_report(adata, report, title=_title(source), markers=table, **options)
    io.write(adata, output)
    result = adata.uns[key_added]
    say(f"{adata.obs[key_added].nunique()} domains of {adata.n_obs:,} cells by {method} in {seconds:.1f} s -> {output}")
    if "stability" in result:
        say(f"stability (mean ARI between independent fits): {float(result['stability']):.3f}")


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
    reading: Reading = Reading(),
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
    from ._report import report as write_report
    from ._whole import check_target

    check_target(output, ".html")
    adata = reading(source, backed=True)
    options: dict[str, Any] = {"truth": truth, "key": key, "spatial_key": spatial_key, "library_key": library_key}
    write_report(adata, output, title=title or _title(source), **options)
    say(str(output))


@app.command
def info(source: Path, /, *, reading: Reading = Reading()) -> None:
    """Say what a file holds: sizes, counts, coordinates, layers, and what spotweave wrote into it.

    Parameters
    ----------
    source
        .h5ad, .zarr, a Visium, Visium HD or Xenium folder, or an ST count table.
    """
    from ._info import describe

    for line in describe(reading(source, backed=True)):
        say(line)


@app.command
def demo(*, output: Output = Path("spotweave-demo"), n_obs: int = 3_000, rng: Seed = 0) -> None:
    """Find the domains of a simulated tissue and compare them with the truth.

    Parameters
    ----------
    output
        Folder for the pictures, the report and the data; made when missing.
    n_obs
        Spots to simulate.
    rng
        Seed.
    """
    from ._demo import run

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
    from . import datasets, io
    from ._whole import check_target

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


def say(line: str) -> None:
    """Write a line to standard output: what the user asked for."""
    print(line, flush=True)


def _settings_of(given: Sequence[str]) -> dict[str, Any]:
    """Turn ``name=value`` into keywords; a value is a Python literal where it reads as one, else text."""
    settings = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not (equals and name.replace("-", "_").isidentifier()):
            raise fail("--param name=value", repr(item))
        try:
            settings[name.replace("-", "_")] = literal_eval(value)
        except (ValueError, SyntaxError):
            settings[name.replace("-", "_")] = value
    return settings


def _title(source: Path) -> str:
    return source.resolve().name.removesuffix(".h5ad").removesuffix(".zarr")

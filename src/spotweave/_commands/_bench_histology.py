"""``spotweave bench histology`` and ``histology-scaling``: expression from stained images, and what it costs."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ._app import say
from ._bench import AS_USUAL, Options, numbers
from ._bench_deconvolve import bench

__all__ = ["bench"]

Files = Annotated[list[str] | None, Parameter(name=["--panel"], negative="")]


@bench.command
def histology(
    *,
    sets: str = "all",
    methods: str = "all",
    panels: str = "all",
    panel: Files = None,
    seeds: int = 5,
    encoder: str = "handcrafted",
    weights: Path | None = None,
    fast: Annotated[bool, Parameter(negative="")] = False,
    options: Options = AS_USUAL,
) -> None:
    """Score expression predicted from pictures of held-out sections; write histology.md and its table.

    Parameters
    ----------
    sets
        Names with commas between, or real, simulated, all.
    methods
        Names with commas between, or closed, networks, all.
    panels
        Genes to predict: top50, top1000, names of --panel with commas between, or all.
    panel
        Further genes for real sections, as NAME=FILE (one gene a line, or .npy), also with the targets of published
        figures; may be repeated. The 785 genes of those figures are not shipped: data/her_hvg_cut_1000.npy of
        biomed-AI/Hist2ST.
    seeds
        How often methods that draw random numbers are run.
    encoder
        handcrafted (colour and texture), the name of a published network, timm:NAME, torchvision:NAME or
        hf-hub:ORG/NAME.
    weights
        File or folder with the weights of the network; the local Hugging Face cache when left out.
    fast
        One process for all seeds of a data set and method.
    """
    from .. import bench as library

    library.histology(
        sets,
        methods,
        panels=panels,
        files=panel or [],
        seeds=seeds,
        encoder=encoder,
        weights=weights,
        running=options.running(fast=fast),
    )
    say(str(options.output / "histology.md"))


@bench.command
def histology_scaling(
    *,
    sizes: str = "2000,5000,10000",
    methods: str = "programs,network",
    repeats: int = 1,
    encoder: str = "handcrafted",
    options: Options = AS_USUAL,
) -> None:
    """Measure features of tiles and fits of models; write histology_scaling.md and its tables.

    Parameters
    ----------
    sizes
        Numbers of spots, with commas between.
    methods
        Methods of tl.Histology with commas between, or closed, networks, all.
    repeats
        Runs of each size and method.
    encoder
        Of the tiles.
    """
    from .. import bench as library

    library.histology_scaling(numbers(sizes), methods, repeats=repeats, encoder=encoder, running=options.running())
    say(str(options.output / "histology_scaling.md"))

"""``spotweave predict-histology``."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ._app import AS_IT_IS, Output, Reading, app, say
from ._histology_input import read_table

_NAMED = 8  # slides, a line each


@app.command
def predict_histology(
    source: Path,
    /,
    *,
    model: Path,
    output: Output,
    library_key: str | None = None,
    feature_key: str | None = None,
    types_key: str | None = None,
    n_retrieved: int = 5,
    device: str = "auto",
    reading: Reading = AS_IT_IS,
) -> None:
    """Predict expression for slides that have a picture and need no counts.

    Parameters
    ----------
    source
        .h5ad or .zarr with coordinates and the features that tile-features writes, made as those of the model.
    model
        Folder that fit-histology wrote.
    output
        .h5ad or .zarr to write: spots x predicted genes.
    library_key
        obs column of the section, when there are several.
    feature_key
        Features in obsm; those that the model was trained on when left out.
    types_key
        Composition of spots, when the model was trained with it.
    n_retrieved
        Training spots to name for each spot, of methods that retrieve.
    device
        auto, cpu, cuda, cuda:1 or mps.
    """
    from .. import io, tl
    from .._whole import check_target

    check_target(output, ".h5ad", ".zarr")
    fitted = tl.Histology.load(model, device=device)
    adata = read_table(source, reading, feature_key or fitted.feature_key_)
    start = time.perf_counter()
    predicted = fitted.predict(
        adata, library_key=library_key, feature_key=feature_key, types_key=types_key, n_retrieved=n_retrieved
    )
    seconds = time.perf_counter() - start
    io.write(predicted, output)
    say(f"{predicted.n_vars:,} genes of {predicted.n_obs:,} spots by {fitted.method} in {seconds:.1f} s -> {output}")
    for line in summary(predicted.uns["histology"], predicted.n_vars):
        say(line)


def summary(result: Mapping[str, Any], n_genes: int) -> list[str]:
    """What the run says of itself, for readers who will not open the file."""
    kind = result["inner_kind"]
    lines = [
        f"correlation in training, {kind}s left out: mean {result['held_out_pearson']:.3f}; "
        f"predictable from the image: {result['n_predictable']:,} of {n_genes:,} genes",
        f"spots unlike the training tiles: {result['out_of_distribution']:.1%}",
    ]
    strange = {name: value for name, value in result["slide_novelty"].items() if value > 1}
    for name, value in list(strange.items())[:_NAMED]:
        lines.append(f"note: slide {name} looks unlike the training slides as a whole ({value:.1f} times the limit)")
    if len(strange) > _NAMED:
        lines.append(f"note: and {len(strange) - _NAMED} more slides")
    return lines

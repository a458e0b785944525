"""10x Visium HD: the squares that Space Ranger (version 3 on) bins the 2 micrometre barcodes into."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from .._check import check_range, fail
from ._files import check_folder, contents, names_in
from ._visium import read_spots

if TYPE_CHECKING:
    from anndata import AnnData

SQUARE = re.compile(r"square_(\d+)um")


def read_visium_hd(folder: str | os.PathLike[str], *, bin_um: int = 8, images: bool = True) -> "AnnData":
    """Read one bin size of a Visium HD output.

    Parameters
    ----------
    folder
        Space Ranger's ``outs``, its ``binned_outputs``, or one ``square_008um`` in it.
    bin_um
        Side of the squares in micrometres (Space Ranger makes 2, 8 and 16, and others when asked). Without effect
        when `folder` is itself one ``square_...um``.
    images
        As in :func:`read_visium`.

    Returns
    -------
    AnnData
        Squares under tissue x genes, in the form of :func:`read_visium`; the scale factors also hold ``bin_size_um``
        and ``microns_per_pixel``.

    Raises
    ------
    InputError
        This bin size is not there, or a file is missing, empty, damaged or odd.

    Examples
    --------
    >>> adata = spotweave.io.read_visium_hd("sample/outs", bin_um=16)  # doctest: +SKIP
    """
    check_range(bin_um, "bin_um", low=1, high=999, integer=True)
    square = _square(check_folder(folder, "a 10x Visium HD folder"), bin_um)
    above = square.resolve().parents
    return read_spots(square, images=images, image_folders=[p / "spatial" for p in above[:2]])


def _square(folder: Path, bin_um: int) -> Path:
    if SQUARE.fullmatch(folder.resolve().name):
        return folder
    inside = folder / "binned_outputs" if (folder / "binned_outputs").is_dir() else folder
    sizes = {int(SQUARE.fullmatch(p.name)[1]): p for p in squares(inside)}  # type: ignore[index]
    if not sizes:
        remedy = "Pass outs or binned_outputs."
        raise fail(f"Visium HD bins (square_008um, ...) in {inside}", contents(inside), remedy)
    if bin_um not in sizes:
        raise fail(f"bins of {bin_um} um in {inside}", f"bins of {sorted(sizes)} um", "Pass one of them as bin_um.")
    return sizes[bin_um]


def squares(folder: Path) -> list[Path]:
    """List the ``square_...um`` folders."""
    return [folder / name for name in names_in(folder) if SQUARE.fullmatch(name) and (folder / name).is_dir()]

"""Each kind of broken input: one clear error, which names the file."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from spotweave import io

Damage = Callable[[Path], Any]
H5, POSITIONS = "filtered_feature_bc_matrix.h5", "spatial/tissue_positions.csv"
HIRES, SCALES = "spatial/tissue_hires_image.png", "spatial/scalefactors_json.json"


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def scribble(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 20)


def to_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def spoil_gzip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    content[len(content) // 2 + 1] ^= 0xFF
    path.write_bytes(bytes(content))


def spoil_chunk(path: Path) -> None:
    """Damage compressed values inside an HDF5 file whose structure is sound."""
    with h5py.File(path) as f:
        chunk = f["matrix/data"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(bytes(content))


def edit_h5(key, change):
    def edit(path: Path) -> None:
        with h5py.File(path, "a") as f:
            value = f[key][:] if key in f and isinstance(f[key], h5py.Dataset) else None
            if key in f:
                del f[key]
            new = change(value)
            if new is not None:
                f[key] = new

    return edit


def edit_csv(change, sep=","):
    def edit(path: Path) -> None:
        change(pd.read_csv(path, sep=sep)).to_csv(path, sep=sep, index=False)

    return edit


def set_cell(column, value):
    return lambda table: table.astype({column: object}).assign(**{column: [value, *table[column][1:]]})


def edit_json(change):
    return lambda path: path.write_text(json.dumps(change(json.loads(path.read_text()))))


def hide_metadata(path: Path) -> None:
    for name in (".zgroup", ".zattrs", "zarr.json"):  # zarr 2 and zarr 3
        (path / name).unlink(missing_ok=True)


def spoil_metadata(path: Path) -> None:
    for name in (".zattrs", "zarr.json"):
        if (path / "X" / name).exists():
            (path / "X" / name).write_text("{")


def cut_chunk(path: Path) -> None:
    cut(next(chunk for chunk in (path / "X/data/0", path / "X/data/c/0") if chunk.exists()))


def drop_copied_metadata(path: Path) -> None:
    """Remove what a store repeats at its root, which would hide the damage beneath."""
    (path / ".zmetadata").unlink(missing_ok=True)
    root = path / "zarr.json"
    if root.exists():
        root.write_text(json.dumps({k: v for k, v in json.loads(root.read_text()).items() if k[:5] != "conso"}))


VISIUM: dict[str, tuple[str, Damage, str]] = {
    "matrix truncated": (H5, cut, "OSError"),
    "matrix empty": (H5, empty, "empty file"),
    "matrix not HDF5": (H5, scribble, "OSError"),
    "matrix a folder": (H5, to_folder, "matrix.mtx"),
    "matrix missing": (H5, Path.unlink, "spatial"),
    "matrix with damaged values": (H5, spoil_chunk, "OSError"),
    "matrix of another kind": (H5, edit_h5("matrix", lambda _: None), "groups"),
    "matrix without barcodes": (H5, edit_h5("matrix/barcodes", lambda _: None), "KeyError"),
    "matrix without feature types": (H5, edit_h5("matrix/features/feature_type", lambda _: None), "KeyError"),
    "matrix with text counts": (H5, edit_h5("matrix/data", lambda v: v.astype("S")), "values of type"),
    "matrix with indices out of range": (H5, edit_h5("matrix/indices", lambda v: v + 5), "ValueError"),
    "matrix with too few barcodes": (H5, edit_h5("matrix/barcodes", lambda v: v[:-1]), "15 barcodes"),
    "matrix of no cells": (H5, edit_h5("matrix/shape", lambda v: v * 0), "ValueError"),
    "matrix with a repeated barcode": (H5, edit_h5("matrix/barcodes", lambda v: np.r_[v[:1], v[:-1]]), "repeated"),
    "matrix without genes": (H5, edit_h5("matrix/features/feature_type", lambda v: np.full_like(v, b"CRISPR")), "CRIS"),
    "matrix of another sample": (H5, edit_h5("matrix/barcodes", lambda v: np.char.add(b"X", v)), "none in common"),
    "positions missing": (POSITIONS, Path.unlink, "scalefactors_json.json"),
    "positions empty": (POSITIONS, empty, "empty file"),
    "positions not text": (POSITIONS, scribble, "UnicodeDecodeError"),
    "positions a folder": (POSITIONS, to_folder, "a folder"),
    "positions without a column": (POSITIONS, edit_csv(lambda t: t.drop(columns="array_row")), "array_row"),
    "positions with text": (POSITIONS, edit_csv(set_cell("pxl_col_in_fullres", "left")), "left"),
    "positions with a gap": (POSITIONS, edit_csv(set_cell("array_col", np.nan)), "row 1"),
    "positions at infinity": (POSITIONS, edit_csv(lambda t: t.assign(pxl_row_in_fullres=np.inf)), "infinity"),
    "positions repeated": (POSITIONS, edit_csv(lambda t: pd.concat([t, t[4:5]])), "repeated"),
    "positions all off the tissue": (POSITIONS, edit_csv(lambda t: t.assign(in_tissue=0)), "in_tissue"),
    "scale factors missing": (SCALES, Path.unlink, "images=False"),
    "scale factors truncated": (SCALES, cut, "JSONDecodeError"),
    "scale factors not numbers": (SCALES, edit_json(lambda d: dict.fromkeys(d, "wide")), "ValueError"),
    "scale factors a list": (SCALES, edit_json(list), "a list"),
    "scale factors without hires": (SCALES, edit_json(lambda d: {"tissue_lowres_scalef": 1}), "tissue_hires_scalef"),
    "image truncated": (HIRES, cut, "OSError"),
    "image not an image": (HIRES, scribble, "images=False"),
    "image empty": (HIRES, empty, "empty file"),
}


@pytest.mark.parametrize("kind", VISIUM)
def test_visium(visium, one_clear_error, kind):
    name, damage, said = VISIUM[kind]
    folder = visium().folder
    io.read(folder)  # it was sound
    damage(folder / name)
    path = folder / name
    missing = not path.exists()
    named = [path.parent, path.name] if missing else [path]
    one_clear_error(lambda: io.read(folder), *named, said)
    one_clear_error(lambda: io.read_visium(folder), *named, said)


def test_visium_two_matrices(visium, one_clear_error):
    folder = visium().folder
    for name in ("A", "B"):
        (folder / f"{name}_{H5}").write_bytes((folder / H5).read_bytes())
    (folder / H5).unlink()
    one_clear_error(lambda: io.read(folder), folder, f"A_{H5}", f"B_{H5}")


def test_visium_without_spatial(visium, one_clear_error, tmp_path):
    folder = visium().folder
    (folder / "spatial").rename(tmp_path / "elsewhere")
    one_clear_error(lambda: io.read(folder), folder / "spatial", "tissue_positions.csv", "no such folder")
    one_clear_error(lambda: io.read_visium(folder / H5), folder / H5, "Pass the folder")
    one_clear_error(lambda: io.read_visium(tmp_path / "nowhere"), tmp_path / "nowhere", "no such file")


def test_two_genomes_of_cell_ranger_2(visium, one_clear_error):
    folder = visium(matrix="h5_v2").folder
    with h5py.File(folder / H5, "a") as f:
        f.copy("GRCh38", "mm10")
    one_clear_error(lambda: io.read(folder), folder / H5, "GRCh38", "mm10")


MTX: dict[str, tuple[str, Damage, str]] = {
    "matrix cut": ("matrix.mtx.gz", cut, "EOFError"),
    "matrix corrupted": ("matrix.mtx.gz", spoil_gzip, ""),
    "matrix with text": (
        "matrix.mtx.gz",
        lambda p: p.write_bytes(gzip.compress(gzip.decompress(p.read_bytes()).replace(b" 2\n", b" two\n"))),
        "ValueError",
    ),
    "matrix empty": ("matrix.mtx.gz", empty, "empty file"),
    "matrix missing": ("matrix.mtx.gz", Path.unlink, "barcodes.tsv.gz"),
    "features missing": ("features.tsv.gz", Path.unlink, "genes.tsv"),
    "features truncated": ("features.tsv.gz", cut, "EOFError"),
    "features too few": ("features.tsv.gz", lambda p: p.write_bytes(gzip.compress(b"E1\tG1\n")), "1 features"),
    "barcodes not text": ("barcodes.tsv.gz", scribble, "UnicodeDecodeError"),
    "barcodes too few": ("barcodes.tsv.gz", lambda p: p.write_bytes(gzip.compress(b"AC-1\n")), "1 barcodes"),
}


@pytest.mark.parametrize("kind", MTX)
def test_mtx(visium, one_clear_error, kind):
    name, damage, said = MTX[kind]
    folder = visium(matrix="mtx").folder
    io.read(folder)
    part = folder / "filtered_feature_bc_matrix" / name
    damage(part)
    one_clear_error(lambda: io.read(folder), part.parent, said)


XENIUM: dict[str, tuple[str, Damage, str]] = {
    "matrix truncated": ("cell_feature_matrix.h5", cut, "OSError"),
    "matrix missing": ("cell_feature_matrix.h5", Path.unlink, "cells.parquet"),
    "cells missing": ("cells.parquet", Path.unlink, "cell_feature_matrix.h5"),
    "cells truncated": ("cells.parquet", cut, "ArrowInvalid"),
    "cells empty": ("cells.parquet", empty, "empty file"),
    "cells without centroids": (
        "cells.parquet",
        lambda p: pd.read_parquet(p).drop(columns="y_centroid").to_parquet(p),
        "y_centroid",
    ),
    "cells with NaN": ("cells.parquet", lambda p: pd.read_parquet(p).assign(x_centroid=np.nan).to_parquet(p), "NaN"),
    "cells with text": ("cells.parquet", lambda p: pd.read_parquet(p).assign(x_centroid="a").to_parquet(p), "numeric"),
    "cells repeated": (
        "cells.parquet",
        lambda p: pd.read_parquet(p).assign(cell_id="aaaa-1").to_parquet(p),
        "repeated",
    ),
    "cells of another run": (
        "cells.parquet",
        lambda p: pd.read_parquet(p).assign(cell_id=[f"x{i}" for i in range(9)]).to_parquet(p),
        "none in common",
    ),
}


@pytest.mark.parametrize("kind", XENIUM)
def test_xenium(xenium, one_clear_error, kind):
    name, damage, said = XENIUM[kind]
    folder, *_ = xenium()
    io.read(folder)
    damage(folder / name)
    named = [folder, name] if not (folder / name).exists() else [folder / name]
    one_clear_error(lambda: io.read(folder), *named, said)


@pytest.mark.parametrize("damage", [cut, spoil_gzip, empty, scribble])
def test_xenium_csv(xenium, one_clear_error, damage):
    folder, *_ = xenium(cells="csv", n=200)
    damage(folder / "cells.csv.gz")
    one_clear_error(lambda: io.read(folder), folder / "cells.csv.gz")


def regz(change):
    return lambda path: path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()))))


ST_COUNTS: dict[str, tuple[Damage, str]] = {
    "cut": (cut, "EOFError"),
    "corrupted": (spoil_gzip, ""),
    "empty": (empty, "empty file"),
    "not text": (scribble, ""),
    "text among the counts": (
        regz(lambda b: b.replace(b"12x3\t", b"12x3\tmany\t").replace(b"\tG5", b"\tG5\tG6")),
        "'many'",
    ),
    "a word for a count": (regz(lambda b: b.replace(b"\t0", b"\tnone", 1)), "'none'"),
    "a row cut short": (regz(lambda b: b[: b.rindex(b"\t")] + b"\n"), "nan"),
    "a row too long": (regz(lambda b: b[:-1] + b"\t1\t2\t3\n"), ""),
    "rows that are no spots": (regz(lambda b: b.replace(b"12x3", b"cell")), "cell"),
    "repeated spots": (regz(lambda b: b.replace(b"12x3", b"12x4")), "12x4"),
    "a header only": (regz(lambda b: b[: b.index(b"\n") + 1]), "0 rows"),
}


@pytest.mark.parametrize("kind", ST_COUNTS)
def test_st_counts(st, one_clear_error, kind):
    counts, spots, *_ = st
    damage, said = ST_COUNTS[kind]
    damage(counts)
    one_clear_error(lambda: io.read_st(counts, spots=spots), counts, said)


SPOTS: dict[str, tuple[Damage, str]] = {
    "empty": (empty, "empty file"),
    "not text": (scribble, ""),
    "without places": (edit_csv(lambda t: t.drop(columns="y"), "\t"), "'x' and 'y'"),
    "with text for pixels": (edit_csv(set_cell("pixel_x", "left"), "\t"), "left"),
    "with gaps": (edit_csv(lambda t: t.assign(pixel_y=np.nan), "\t"), "NaN"),
    "of another section": (edit_csv(lambda t: t.assign(x=t["x"] + 50, new_x=t["new_x"] + 50), "\t"), "none in common"),
    "with nothing selected": (edit_csv(lambda t: t.assign(selected=0), "\t"), "selected"),
    "with repeated spots": (edit_csv(lambda t: pd.concat([t, t[:1]]), "\t"), "repeated"),
    "missing": (Path.unlink, "no such file"),
}


@pytest.mark.parametrize("kind", SPOTS)
def test_st_spots(st, one_clear_error, kind):
    counts, spots, *_ = st
    damage, said = SPOTS[kind]
    damage(spots)
    one_clear_error(lambda: io.read_st(counts, spots=spots), spots, said)


H5AD: dict[str, tuple[Damage, str]] = {
    "cut": (cut, "OSError"),
    "empty": (empty, "empty file"),
    "not HDF5": (scribble, "HDF5"),
    "without obs": (edit_h5("obs", lambda _: None), "groups"),
    "X without indices": (edit_h5("X/indices", lambda _: None), ""),
    "obsm of another length": (edit_h5("obsm/spatial", lambda v: v[:-1]), ""),
}


@pytest.mark.parametrize("kind", H5AD)
def test_h5ad(visium, tmp_path, one_clear_error, kind):
    damage, said = H5AD[kind]
    path = tmp_path / "a.h5ad"
    io.write(io.read(visium().folder), path)
    damage(path)
    one_clear_error(lambda: io.read(path), path, said)


ZARR: dict[str, tuple[Damage, str]] = {
    "without metadata": (hide_metadata, "zarr store"),
    "without obs": (lambda p: (p / "obs").rename(p.parent / "obs_elsewhere"), "'obs' and 'var'"),
    "with damaged metadata": (spoil_metadata, ""),
    "with a truncated chunk": (cut_chunk, ""),
}


@pytest.mark.parametrize("kind", ZARR)
def test_zarr(visium, tmp_path, one_clear_error, kind):
    damage, said = ZARR[kind]
    path = tmp_path / "a.zarr"
    adata = io.read(visium().folder)
    io.write(adata, path)
    drop_copied_metadata(path)
    damage(path)
    one_clear_error(lambda: io.read(path), path, said)

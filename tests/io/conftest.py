"""Tiny folders in the layouts of the instruments, written by loops from known counts."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from spotweave import InputError

POSITION_COLUMNS = ["barcode", "in_tissue", "array_row", "array_col", "pxl_row_in_fullres", "pxl_col_in_fullres"]
SCALES = {
    "spot_diameter_fullres": 89.4,
    "tissue_hires_scalef": 0.25,
    "fiducial_diameter_fullres": 144.5,
    "tissue_lowres_scalef": 0.125,
}


@dataclass
class Counts:
    """What a count matrix holds, cells x features, dense."""

    X: np.ndarray
    barcodes: list[str]
    ids: list[str]
    names: list[str]
    types: list[str]
    attrs: dict[str, Any] = field(default_factory=dict)

    def columns(self) -> tuple[list[int], list[int], list[int]]:
        """Data, indices and indptr of the matrix features x cells by column."""
        data, indices, indptr = [], [], [0]
        for cell in self.X:
            for j, value in enumerate(cell):
                if value:
                    data.append(int(value))
                    indices.append(j)
            indptr.append(len(data))
        return data, indices, indptr

    def write_h5(self, path: Path) -> Path:
        """Cell Ranger 3 and later."""
        data, indices, indptr = self.columns()
        with h5py.File(path, "w") as f:
            f.attrs.update(self.attrs)
            matrix = f.create_group("matrix")
            matrix["barcodes"] = np.array(self.barcodes, dtype="S")
            matrix.create_dataset("data", data=np.array(data, dtype=np.int32), compression="gzip", chunks=True)
            matrix["indices"] = np.array(indices, dtype=np.int64)
            matrix["indptr"] = np.array(indptr, dtype=np.int64)
            matrix["shape"] = np.array(self.X.T.shape, dtype=np.int32)
            features = matrix.create_group("features")
            features["_all_tag_keys"] = np.array(["genome"], dtype="S")
            features["id"] = np.array(self.ids, dtype="S")
            features["name"] = np.array(self.names, dtype="S")
            features["feature_type"] = np.array(self.types, dtype="S")
            features["genome"] = np.array(["GRCh38"] * len(self.ids), dtype="S")
            features.create_group("target_sets")["panel"] = np.arange(3)
        return path

    def write_h5_v2(self, path: Path) -> Path:
        """Cell Ranger 2: one group per genome, genes only."""
        data, indices, indptr = self.columns()
        with h5py.File(path, "w") as f:
            group = f.create_group("GRCh38")
            group["barcodes"] = np.array(self.barcodes, dtype="S")
            group["data"] = np.array(data, dtype=np.int32)
            group["indices"] = np.array(indices, dtype=np.int64)
            group["indptr"] = np.array(indptr, dtype=np.int64)
            group["shape"] = np.array(self.X.T.shape, dtype=np.int64)
            group["genes"] = np.array(self.ids, dtype="S")
            group["gene_names"] = np.array(self.names, dtype="S")
        return path

    def write_mtx(self, folder: Path, *, version: int = 3) -> Path:
        """Folder with matrix, features (version 3: gzip, three columns; version 2: plain, two) and barcodes."""
        folder.mkdir(parents=True)
        entries = [(j + 1, i + 1, int(v)) for i, row in enumerate(self.X) for j, v in enumerate(row) if v]
        head = ["%%MatrixMarket matrix coordinate integer general", '%metadata_json: {"format_version": 2}']
        size = f"{len(self.ids)} {len(self.barcodes)} {len(entries)}"
        lines = [*head, size, *(f"{j} {i} {v}" for j, i, v in entries)]
        rows = list(zip(self.ids, self.names, self.types, strict=True))
        if version == 3:
            write_gz(folder / "matrix.mtx.gz", lines)
            write_gz(folder / "features.tsv.gz", ["\t".join(row) for row in rows])
            write_gz(folder / "barcodes.tsv.gz", self.barcodes)
        else:
            (folder / "matrix.mtx").write_text("\n".join(lines) + "\n")
            (folder / "genes.tsv").write_text("".join(f"{i}\t{n}\n" for i, n, _ in rows))
            (folder / "barcodes.tsv").write_text("".join(f"{b}\n" for b in self.barcodes))
        return folder


def write_gz(path: Path, lines: list[str]) -> Path:
    with gzip.open(path, "wt") as stream:
        stream.write("\n".join(lines) + "\n")
    return path


def make_counts(rng: np.random.Generator, n_cells: int, n_genes: int = 7, **attrs: Any) -> Counts:
    """Counts with a repeated gene name and an empty gene."""
    X = rng.poisson(0.8, size=(n_cells, n_genes))
    X[:, 3] = 0
    X[:, 0] += 1
    names = [f"Gene{j}" for j in range(n_genes)]
    names[4] = names[1]
    barcodes = [f"{''.join(rng.choice(list('ACGT'), 16))}-1" for _ in range(n_cells)]
    return Counts(X, barcodes, [f"ENSG{j:011d}" for j in range(n_genes)], names, ["Gene Expression"] * n_genes, attrs)


@dataclass
class VisiumTruth:
    """A Visium folder and what is in it; `positions` holds every spot, `counts` those under tissue, shuffled."""

    folder: Path
    counts: Counts
    positions: pd.DataFrame
    hires: np.ndarray
    lowres: np.ndarray

    def xy(self) -> np.ndarray:
        """Column and row in pixels, in the order of the matrix."""
        at = self.positions.set_index("barcode").loc[self.counts.barcodes]
        return np.column_stack([at["pxl_col_in_fullres"], at["pxl_row_in_fullres"]]).astype(float)


def make_positions(rng: np.random.Generator, n_rows: int = 4, n_cols: int = 5) -> pd.DataFrame:
    """Spots on a hexagonal array, the corners off the tissue; rows and columns have different scales."""
    rows = []
    for r in range(n_rows):
        for c in range(r % 2, 2 * n_cols, 2):
            corner = r in {0, n_rows - 1} and c // 2 in {0, n_cols - 1}
            barcode = "".join(rng.choice(list("ACGT"), 16)) + "-1"
            rows.append((barcode, int(not corner), r, c, 100 + 37 * r, 1000 + 11 * c))
    return pd.DataFrame(rows, columns=POSITION_COLUMNS)


def write_spatial(folder: Path, rng: np.random.Generator, *, scales: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    folder.mkdir(parents=True, exist_ok=True)
    hires, lowres = (rng.integers(0, 255, (h, w, 3), dtype=np.uint8) for h, w in ((20, 30), (10, 15)))
    Image.fromarray(hires).save(folder / "tissue_hires_image.png")
    Image.fromarray(lowres).save(folder / "tissue_lowres_image.png")
    (folder / "scalefactors_json.json").write_text(json.dumps(scales))
    return hires, lowres


@pytest.fixture
def visium(tmp_path: Path, rng: np.random.Generator) -> Callable[..., VisiumTruth]:
    """Write a Visium folder: ``positions`` in {"v1", "v2", "parquet"}, ``matrix`` in {"h5", "h5_v2", "mtx", "mtx_v2"}."""

    def build(*, positions: str = "v2", matrix: str = "h5", name: str = "sample", genes: int = 7) -> VisiumTruth:
        folder = tmp_path / name / "outs"
        table = make_positions(rng)
        hires, lowres = write_spatial(folder / "spatial", rng, scales=SCALES)
        under = table.loc[table["in_tissue"] == 1, "barcode"].to_numpy()
        attrs = {
            "library_ids": np.array(["V1_sample"], dtype="S"),
            "chemistry_description": np.bytes_("Spatial 3' v1"),
            "software_version": "spaceranger-2.0.0",
        }
        counts = make_counts(rng, len(under), genes, **attrs)
        counts = replace(counts, barcodes=[str(b) for b in rng.permutation(under)])
        match positions:
            case "v1":
                table.to_csv(folder / "spatial/tissue_positions_list.csv", header=False, index=False)
            case "v2":
                table.to_csv(folder / "spatial/tissue_positions.csv", index=False)
            case "parquet":
                table.to_parquet(folder / "spatial/tissue_positions.parquet")
        stem = folder / "filtered_feature_bc_matrix"
        match matrix:
            case "h5":
                counts.write_h5(stem.with_suffix(".h5"))
            case "h5_v2":
                counts.write_h5_v2(stem.with_suffix(".h5"))
            case "mtx":
                counts.write_mtx(stem)
            case "mtx_v2":
                counts.write_mtx(stem, version=2)
        return VisiumTruth(folder, counts, table, hires, lowres)

    return build


@pytest.fixture
def xenium(tmp_path: Path, rng: np.random.Generator) -> Callable[..., tuple[Path, Counts, pd.DataFrame]]:
    """Write a Xenium folder: ``cells`` in {"parquet", "csv"}, ``matrix`` in {"h5", "mtx"}."""

    def build(*, cells: str = "parquet", matrix: str = "h5", n: int = 9) -> tuple[Path, Counts, pd.DataFrame]:
        folder = tmp_path / "output-XETG00001__0000001__Region_1"
        folder.mkdir()
        counts = make_counts(rng, n, 9)
        counts.barcodes = [f"{''.join(rng.choice(list('abcdefgh'), 8))}-1" for _ in range(n)]
        counts.types[5:] = [
            "Negative Control Probe",
            "Negative Control Codeword",
            "Unassigned Codeword",
            "Negative Control Probe",
        ]
        table = pd.DataFrame(
            {
                "cell_id": rng.permutation(counts.barcodes),
                "x_centroid": rng.random(n) * 500,
                "y_centroid": rng.random(n) * 90,
                "transcript_counts": np.arange(n),
                "control_probe_counts": np.arange(n) + 100,
                "cell_area": rng.random(n),
            }
        )
        if cells == "parquet":
            table.to_parquet(folder / "cells.parquet", index=False)
        else:
            table.to_csv(folder / "cells.csv.gz", index=False)
        if matrix == "h5":
            counts.write_h5(folder / "cell_feature_matrix.h5")
        else:
            counts.write_mtx(folder / "cell_feature_matrix")
        (folder / "experiment.xenium").write_text("{}")
        return folder, counts, table

    return build


@pytest.fixture
def st(tmp_path: Path, rng: np.random.Generator) -> tuple[Path, Path, pd.DataFrame, pd.DataFrame]:
    """Count table and spot selection as her2st lays them out: ``(counts, spots, count table, spot table)``."""
    places = [(x, y) for x in range(10, 14) for y in range(2, 5)]
    X = rng.poisson(1.0, (len(places), 6))
    table = pd.DataFrame(X, index=[f"{x}x{y}" for x, y in places], columns=[f"G{j}" for j in range(6)])
    rows = [(x, y, x + 0.03, y - 0.02, 250.5 * x, 190.25 * y, int(i != 5)) for i, (x, y) in enumerate(places)]
    columns = ["x", "y", "new_x", "new_y", "pixel_x", "pixel_y", "selected"]
    spots = pd.DataFrame(rows, columns=columns).sample(frac=1, random_state=1)
    counts_path, spots_path = tmp_path / "ST-cnts" / "A1.tsv.gz", tmp_path / "ST-spotfiles" / "A1_selection.tsv"
    for path, frame, index in ((counts_path, table, True), (spots_path, spots, False)):
        path.parent.mkdir()
        frame.to_csv(path, sep="\t", index=index)
    return counts_path, spots_path, table, spots


@pytest.fixture
def one_clear_error(caplog: pytest.LogCaptureFixture) -> Callable[..., str]:
    """Call and demand a single `InputError` of the house form that names every given thing."""

    def check(call: Callable[[], Any], *names: str | Path) -> str:
        with pytest.raises(InputError) as caught:
            call()
        message = str(caught.value)
        assert message.startswith("Expected ")
        assert "; found " in message
        assert "\n" not in message
        for name in names:
            assert str(name) in message, message
        assert not caplog.records, "the error should be the only thing said"
        return message

    return check

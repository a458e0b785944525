"""Commands, one for each verb. Heavy imports happen inside them, so that help is instant."""

from ._align import align
from ._app import app
from ._bench_histology import bench
from ._cross_validate_histology import cross_validate_histology
from ._deconvolve import deconvolve
from ._denoise import denoise
from ._domains import domains
from ._find_pattern import find_pattern
from ._fit_histology import fit_histology
from ._gene_embedding import gene_embedding, gene_modules
from ._gene_interactions import gene_interactions
from ._impute import impute
from ._integrate import integrate
from ._map_cells import map_cells
from ._predict_histology import predict_histology
from ._report import info, report
from ._simulate import demo, simulate
from ._spatial_genes import spatial_genes
from ._tile_features import tile_features

__all__ = [
    "align",
    "app",
    "bench",
    "cross_validate_histology",
    "deconvolve",
    "demo",
    "denoise",
    "domains",
    "find_pattern",
    "fit_histology",
    "gene_embedding",
    "gene_interactions",
    "gene_modules",
    "impute",
    "info",
    "integrate",
    "map_cells",
    "predict_histology",
    "report",
    "simulate",
    "spatial_genes",
    "tile_features",
]

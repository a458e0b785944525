"""Files to AnnData and back: .h5ad, .zarr, SpatialData tables, 10x Visium, Visium HD, Xenium, and ST tables."""

from ._read import read
from ._st import read_st
from ._visium import read_visium
from ._visium_hd import read_visium_hd
from ._write import write
from ._xenium import read_xenium

__all__ = ["read", "read_st", "read_visium", "read_visium_hd", "read_xenium", "write"]

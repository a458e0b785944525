"""Every AnnData slot name that is read or written, once."""

COUNTS = "counts"  # layers: raw counts, preferred over X
SPATIAL = "spatial"  # obsm: coordinates [n, 2]; uns: images and scale factors by library (Visium layout)
SPATIAL_CONNECTIVITIES = "spatial_connectivities"  # obsp: squidpy's graph
SPATIAL_DISTANCES = "spatial_distances"  # obsp: squidpy's edge lengths
SPATIAL_NEIGHBORS = "spatial_neighbors"  # uns: squidpy's description of the graph
FEATURE = "feature"  # prefix of obsp["feature_connectivities"] and uns["feature_neighbors"]
HIGHLY_VARIABLE = "highly_variable"  # var: chosen genes
DOMAIN = "domain"  # obs: labels of tl.domains; uns: its parameters and scores
DOMAIN_PROBABILITY = "domain_probability"  # obsm: soft assignments [n, k]
SIMULATION = "simulation"  # uns: truth of a simulated tissue


def connectivities(key_added: str) -> str:
    """Slot of a graph's weights, squidpy's rule."""
    return f"{key_added}_connectivities"


def distances(key_added: str) -> str:
    """Slot of a graph's edge lengths, squidpy's rule."""
    return f"{key_added}_distances"


def neighbors(key_added: str) -> str:
    """Slot of a graph's description, squidpy's rule."""
    return f"{key_added}_neighbors"


def colors(key: str) -> str:
    """Slot of the colours of a categorical column, scanpy's rule."""
    return f"{key}_colors"

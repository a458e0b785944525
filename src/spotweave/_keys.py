"""Every AnnData slot name that is read or written, once."""

COUNTS = "counts"  # layers: raw counts, preferred over X
SPATIAL = "spatial"  # obsm: coordinates [n, 2]; uns: images and scale factors by library (Visium layout)
SPATIAL_CONNECTIVITIES = "spatial_connectivities"  # obsp: squidpy's graph
FEATURE = "feature"  # prefix of obsp["feature_connectivities"] and uns["feature_neighbors"]
HIGHLY_VARIABLE = "highly_variable"  # var: chosen genes
DOMAIN = "domain"  # obs: labels of tl.domains; uns: its parameters and scores
DENOISED = "denoised"  # layers or obsm: expected counts of tl.denoise; varm: scores by gene; uns: its parameters
SPATIAL_GENES = "svg"  # var: prefix of the columns of tl.spatial_genes; uns: its parameters
GENE_EMBEDDING = "X_gene"  # varm: vectors of genes [g, d]
GENE_PATTERNED = "gene_patterned"  # var: genes that vary in space, of tl.gene_embedding
GENE_MODULE = "gene_module"  # var: modules of genes; varm: their probabilities; uns: parameters and the curve of K
IMPUTED = "impute"  # uns: scores, weights and parameters of tl.impute, in the AnnData that it returns
PANEL_COUNTS = "panel_counts"  # obs: counts of the genes that imputation started from
LOWER, UPPER = "lower", "upper"  # layers: ends of the interval of imputed counts
INTEGRATED = "integrated"  # obsm["X_integrated"]: components of tl.integrate; uns["integrate"]: its parameters
ALIGNED = "spatial_aligned"  # obsm: places of tl.align in the frame of one slice; uns["align"]: its transforms
PROPORTIONS = "proportions"  # obsm: shares of cell types of tl.deconvolve
UNKNOWN = "unknown"  # column of these shares: cells that the reference lacks
DECONVOLVE = "deconvolve"  # uns: parameters, table of types and scores of tl.deconvolve
IMAGE_FEATURES = "X_image"  # obsm: features of tiles, of pp.tile_features; uns: parameters and scales
HISTOLOGY = "histology"  # uns: what tl.Histology says of its predictions, in the AnnData that it returns
HISTOLOGY_SCORES = "histology_scores"  # uns: table of tl.cross_validate_histology that a report is to show
MEASURED = "measured"  # layers: measured expression beside predictions, in units of the target
IMAGE_NOVELTY = "image_novelty"  # obs: how unlike the training tiles a tile is, 1 at the limit
OUT_OF_DISTRIBUTION = "out_of_distribution"  # obs: novelty above 1
SIMULATION = "simulation"  # uns: truth of a simulated tissue


def tile_ok(key_added: str) -> str:
    """Column of whether the tile of a spot lies inside the picture."""
    return "tile_ok" if key_added == IMAGE_FEATURES else f"{key_added}_tile_ok"


def align(key_added: str) -> str:
    """Slot of the transforms behind aligned places."""
    return "align" if key_added == ALIGNED else f"{key_added}_align"


def integrate(key_added: str) -> str:
    """Slot of what was found when integrated components were made."""
    return "integrate" if key_added == INTEGRATED else f"{key_added}_integrate"


def surroundings(key_added: str) -> tuple[str, str]:
    """Slots of the two leading axes of surroundings before and after integration."""
    return f"{key_added}_before", f"{key_added}_after"


def support(key_added: str) -> str:
    """Slot of whether cells have counterparts in another batch."""
    return f"{key_added}_support"


def connectivities(key_added: str) -> str:
    """Slot of a graph's weights, squidpy's rule."""
    return f"{key_added}_connectivities"


def distances(key_added: str) -> str:
    """Slot of a graph's edge lengths, squidpy's rule."""
    return f"{key_added}_distances"


def neighbors(key_added: str) -> str:
    """Slot of a graph's description, squidpy's rule."""
    return f"{key_added}_neighbors"


def probability(key: str) -> str:
    """Slot of the soft assignments [n, k] behind a column of labels."""
    return f"{key}_probability"


def embedding(method: str) -> str:
    """Slot of a method's embedding [n, d], scanpy's rule."""
    return f"X_{method}"


def colors(key: str) -> str:
    """Slot of the colours of a categorical column, scanpy's rule."""
    return f"{key}_colors"


def deviation(key: str) -> str:
    """Slot of the standard deviations that belong to the estimates under `key`."""
    return f"{key}_sd"

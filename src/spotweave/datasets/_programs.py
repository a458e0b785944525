"""Gene programs: what each cell type expresses, and how genes respond to domain, gradient and cell state."""

from typing import NamedTuple

import numpy as np

N_FIELDS, N_STATES = 2, 2
# Shares of the genes by the kind of their program; the rest are noise genes that follow none.
SHARES = {"type": 0.28, "domain": 0.08, "gradient": 0.04, "state": 0.10}


class Programs(NamedTuple):
    """Truth about genes: expected expression is ``(proportions @ profiles) * exp(activity @ loadings)``.

    The genes that vary in space are then rescaled to keep, together, their share of the counts: otherwise a marker that
    rises would push every other gene down, and no gene would be free of pattern. Where `image` is given, they do so in
    two groups, so that the genes that a picture cannot show do not follow those that it does.
    """

    profiles: np.ndarray  # [t, g] relative expression of each type, rows sum to 1
    loadings: np.ndarray  # [a, g] response on the log scale to each activity
    module: np.ndarray  # [g] name of the gene's program, or "none"
    spatial: np.ndarray  # [g] True where expected expression varies in space
    activities: list[str]  # [a] names: domains, gradients, states
    image: np.ndarray | None = None  # [g] True where expression follows cell types, which a picture shows


def make_programs(
    n_genes: int,
    n_types: int,
    n_domains: int,
    signal: float,
    rng: np.random.Generator,
    *,
    image: bool = False,
) -> Programs:
    """Draw the programs; a gene follows at most one. With `image`, genes of cell types keep apart from all others."""
    activities = activity_names(n_domains)
    module = _assign_modules(n_genes, [f"type_{t + 1}" for t in range(n_types)], activities, rng)
    spatial = _spatial_genes(module, differs=signal > 0 and n_domains > 1, n_types=n_types)
    shown = np.array([name.startswith("type") and n_types > 1 for name in module]) if image else None
    base = rng.normal(0, 1.5, size=n_genes)  # log-normal abundances, some two decades wide
    profiles = np.exp(base + _marker_effects(module, n_types, rng))
    state = np.array([name.startswith("state") for name in module])
    groups = [*_level_groups(spatial, shown), state]
    for group in (*groups, ~np.any(groups, axis=0)):  # no group outweighs the others by a few abundant genes
        _level(profiles, group)
    return Programs(profiles, _loadings(module, activities, signal, rng), module, spatial, activities, shown)


def activity_names(n_domains: int) -> list[str]:
    """Return the names of the activities in order: domains, gradients, states."""
    kinds = {"domain": n_domains, "gradient": N_FIELDS, "state": N_STATES}
    return [f"{kind}_{i + 1}" for kind, n in kinds.items() for i in range(n)]


def expected_shares(programs: Programs, proportions: np.ndarray, activity: np.ndarray, batch: np.ndarray) -> np.ndarray:
    """Return the expected share of each gene in the counts, ``[n, g]`` float32 with rows that sum to 1.

    `proportions` ``[n, t]``, `activity` ``[n, a]``, `batch` ``[g]`` log effects of the slice or platform.
    """
    shares = proportions.astype(np.float32) @ (programs.profiles * np.exp(batch)).astype(np.float32)
    responds = np.flatnonzero(programs.loadings.any(axis=0))
    shares[:, responds] *= np.exp(activity.astype(np.float32) @ programs.loadings[:, responds].astype(np.float32))
    for group in _level_groups(programs.spatial, programs.image):
        _level(shares, group)
    return shares / shares.sum(axis=1, keepdims=True)


def _level_groups(spatial: np.ndarray, image: np.ndarray | None) -> list[np.ndarray]:
    """Return the groups of genes ``[g]`` each of which keeps its part of the counts."""
    return [spatial] if image is None else [image, spatial & ~image]


def _level(shares: np.ndarray, group: np.ndarray) -> None:
    """Rescale the columns of a group in place so that in each row they sum to the group's share of all genes."""
    columns = np.flatnonzero(group)
    if columns.size:
        block = shares[:, columns]
        shares[:, columns] = block * (columns.size / group.size / block.sum(axis=1, keepdims=True))


def _assign_modules(n_genes: int, types: list[str], activities: list[str], rng: np.random.Generator) -> np.ndarray:
    """Deal genes out to programs in equal numbers within a kind; at least one gene each while genes last."""
    names = types + activities
    order: list[str] = []
    for kind, share in SHARES.items():
        members = [name for name in names if name.startswith(kind)]
        n = max(round(share * n_genes), len(members))
        order += [members[i % len(members)] for i in range(n)]
    order = (order + ["none"] * n_genes)[:n_genes]
    return np.array(order, dtype=object)[rng.permutation(n_genes)]


def _spatial_genes(module: np.ndarray, *, differs: bool, n_types: int) -> np.ndarray:
    """Tell which genes vary in space: gradients always, domain and type genes where domains differ."""
    kinds = {"gradient"} | ({"domain"} if differs else set()) | ({"type"} if differs and n_types > 1 else set())
    return np.array([name.split("_")[0] in kinds for name in module])


def _marker_effects(module: np.ndarray, n_types: int, rng: np.random.Generator) -> np.ndarray:
    """Return log fold changes ``[t, g]``: high in the gene's own type, weaker in the type's sibling."""
    effects = np.zeros((n_types, module.size))
    strength = rng.uniform(1.0, 2.5, size=module.size)
    for t in range(n_types):
        own = module == f"type_{t + 1}"
        effects[t, own] = strength[own]
        sibling = t ^ 1  # types come in pairs of one lineage
        if sibling < n_types:
            effects[sibling, own] = 0.35 * strength[own]
    return effects


def _loadings(module: np.ndarray, activities: list[str], signal: float, rng: np.random.Generator) -> np.ndarray:
    """Return log responses ``[a, g]``: positive within a program, so that its genes rise and fall together."""
    size = {"domain": 1.6 * signal, "gradient": 0.5, "state": 0.5}
    draw = rng.uniform(0.6, 1.4, size=module.size)
    return np.array([size[name.split("_")[0]] * draw * (module == name) for name in activities])

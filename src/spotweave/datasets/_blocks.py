"""The generative model: a tissue's plan, and its observations drawn block by block.

Each block has a random generator of its own and a size that depends on the number of genes alone. Hence a tissue
held in memory and one written to disk with the same seed are equal to the bit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from ._counts import sample_counts, sample_log_normal
from ._layout import DomainMap, Field, make_domain_map, make_fields, make_outline, sample_inside, soft_membership
from ._looks import TypeLooks, make_looks
from ._params import CELLS_PER_SPOT, SPOT_DIAMETER_UM, TissueParams
from ._programs import N_STATES, Programs, expected_shares, make_programs
from ._sites import Slice, jitter, make_slices

CONCENTRATION = 8.0  # of the Dirichlet around a domain's composition: how alike spots of one domain are
DEPTH_SD = 0.3  # log-sd of library sizes between observations, beside what the number of cells does
DOMAIN_DEPTH_SD = 0.15  # between domains: tissue holds more RNA in some of them
SLICE_DEPTH_SD = 0.25  # between slices: sequencing depth


@dataclass(frozen=True)
class Plan:
    """Everything about a tissue that does not grow with its observations."""

    params: TissueParams
    domain_of: DomainMap
    fields: tuple[Field, ...]
    slices: list[Slice]
    composition: np.ndarray  # [k, t] cell-type shares of each domain
    programs: Programs
    batch: np.ndarray  # [s, g] log effect of each slice on each gene
    slice_depth: np.ndarray  # [s] relative library size
    domain_depth: np.ndarray  # [k] relative library size
    looks: TypeLooks


class Block(NamedTuple):
    """Some consecutive observations of one slice."""

    slice: int  # number of the slice
    row: np.ndarray  # [n] lattice row
    col: np.ndarray  # [n] lattice column
    spatial: np.ndarray  # [n, 2] position on the glass, micrometres
    anatomy: np.ndarray  # [n, 2] position in the frame that slices share, micrometres
    domain: np.ndarray  # [n] code
    n_cells: np.ndarray  # [n]
    proportions: np.ndarray  # [n, t]
    activity: np.ndarray  # [n, a]
    depth: np.ndarray  # [n] expected library size
    rate: np.ndarray  # [n, g] expected counts before dropout
    counts: sp.csr_matrix  # [n, g]


def make_plan(params: TissueParams, rng: np.random.Generator) -> Plan:
    """Draw the anatomy, the gene programs and the slices."""
    p = params
    outline = make_outline(rng)
    inside = sample_inside(outline, rng)
    domain_of = make_domain_map(p.layout, p.n_domains, inside, rng)
    area = np.bincount(domain_of(inside), minlength=p.n_domains) / len(inside)
    domain_depth = sample_log_normal(DOMAIN_DEPTH_SD, p.n_domains, rng)
    first = np.arange(p.n_slices) == 0  # the first slice is the standard that others deviate from
    return Plan(
        params=p,
        domain_of=domain_of,
        fields=make_fields(rng),
        slices=make_slices(outline, p.slice_sizes, p.pitch_um, rng),
        composition=make_composition(p.n_domains, p.n_types, p.signal, rng),
        programs=make_programs(p.n_genes, p.n_types, p.n_domains, p.signal, rng),
        batch=np.where(first[:, None], 0, rng.normal(0, p.batch_effect, size=(p.n_slices, p.n_genes))),
        slice_depth=np.where(first, 1, sample_log_normal(SLICE_DEPTH_SD, p.n_slices, rng)),
        domain_depth=domain_depth / (area @ domain_depth),  # the mean over the tissue is library_size,
        looks=make_looks(p.n_types, rng),
    )


def make_composition(n_domains: int, n_types: int, signal: float, rng: np.random.Generator) -> np.ndarray:
    """Return cell-type shares ``[k, t]`` of the domains.

    A mixture of a composition common to all (so that every type lives in every domain) and, with weight
    ``0.9 * signal``, one of the domain's own, which is led by one type.
    """
    common = rng.dirichlet(np.full(n_types, 4.0))
    lead = rng.permutation(np.arange(n_domains) % n_types)
    own = rng.dirichlet(np.full(n_types, 0.7), size=n_domains)
    own = 0.5 * own + 0.5 * np.eye(n_types)[lead]
    return (1 - 0.9 * signal) * common + 0.9 * signal * own


def iter_blocks(plan: Plan, rng: np.random.Generator) -> Iterator[Block]:
    """Draw all observations, slice after slice, each block with a generator of its own."""
    size = plan.params.block_rows
    for s, section in enumerate(plan.slices):
        for start in range(0, section.n_obs, size):
            yield _draw_block(plan, s, start, min(start + size, section.n_obs), rng.spawn(1)[0])


def _draw_block(plan: Plan, s: int, start: int, stop: int, rng: np.random.Generator) -> Block:
    section, is_cell = plan.slices[s], plan.params.resolution == "cell"
    row, col = section.lattice(start, stop)
    local = section.positions(row, col)
    if is_cell:
        local = local + jitter(len(local), section.pitch, rng)
    anatomy = section.to_anatomy(local)
    u = anatomy / section.scale
    radius = 0.0 if is_cell else SPOT_DIAMETER_UM / 2 / section.scale
    membership = soft_membership(plan.domain_of, u, radius, plan.params.n_domains)
    n_cells, proportions = (draw_cells if is_cell else draw_spots)(membership @ plan.composition, rng)
    activity = _activity(plan, u, membership, n_cells, rng)
    depth = _depth(plan, s, membership, n_cells, rng)
    rate = expected_shares(plan.programs, proportions, activity, plan.batch[s]) * depth[:, None].astype(np.float32)
    counts = sample_counts(rate, plan.params.overdispersion, plan.params.dropout, rng)
    return Block(
        s,
        row,
        col,
        local + section.centre,
        anatomy,
        plan.domain_of(u),
        n_cells,
        proportions,
        activity,
        depth,
        rate,
        counts,
    )


def draw_spots(composition: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw the number of cells ``[n]`` and the share of each type ``[n, t]``: Dirichlet, then whole cells."""
    n_cells = 1 + rng.poisson(CELLS_PER_SPOT - 1, size=len(composition))
    local = rng.standard_gamma(CONCENTRATION * composition) + 1e-12
    cells = rng.multinomial(n_cells, local / local.sum(axis=1, keepdims=True))
    return n_cells, cells / n_cells[:, None]


def draw_cells(composition: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw one type for each cell; returned like :func:`draw_spots`, with shares 0 and 1."""
    upper = np.cumsum(composition, axis=1)
    drawn = (rng.random(len(composition)) * upper[:, -1])[:, None]
    return np.ones(len(composition), dtype=np.int64), np.eye(composition.shape[1])[(drawn >= upper[:, :-1]).sum(axis=1)]


def _activity(
    plan: Plan, u: np.ndarray, membership: np.ndarray, n_cells: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    gradients = np.column_stack([field(u) for field in plan.fields])
    states = draw_states(n_cells, rng)
    return np.hstack([membership, gradients, states]).astype(np.float32)


def draw_states(n_cells: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw cell states ``[n, 2]``, standard normal for a cell and the mean of its cells for a spot; no pattern."""
    return rng.normal(size=(len(n_cells), N_STATES)) / np.sqrt(n_cells)[:, None]


def _depth(plan: Plan, s: int, membership: np.ndarray, n_cells: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    cells = n_cells / CELLS_PER_SPOT if plan.params.resolution == "spot" else 1.0
    tissue = membership @ plan.domain_depth * plan.slice_depth[s]
    return plan.params.library_size * tissue * cells * sample_log_normal(DEPTH_SD, len(n_cells), rng)

"""One patient of a cohort: what he shares with the others, and what is his own."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from ._blocks import SLICE_DEPTH_SD, Plan, make_plan
from ._counts import sample_log_normal
from ._dyes import Stain, draw_stains
from ._looks import TypeLooks
from ._params import TissueParams
from ._programs import Programs
from ._tissue import draw_tissue

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class Shared:
    """What all patients have in common."""

    params: TissueParams  # of one patient, but for his layout
    layouts: tuple[str, ...]  # taken in turn
    programs: Programs
    looks: TypeLooks
    patient_effect: float
    stain_effect: float


class Patient(NamedTuple):
    """What no other patient has."""

    adata: "AnnData"  # his sections
    effect: np.ndarray  # [g] log effect on genes
    stains: list[Stain]  # of his sections


def draw_patient(shared: Shared, i: int, rng: np.random.Generator, *, rates: bool) -> Patient:
    """Draw the sections of patient `i`, which do not depend on the other patients."""
    anatomy_rng, effect_rng, block_rng, stain_rng = rng.spawn(4)
    effect = effect_rng.normal(0, shared.patient_effect, size=shared.params.n_genes)
    adata = draw_tissue(_make_plan(shared, i, effect, anatomy_rng), block_rng, rates=rates)
    _name(adata, f"P{i + 1}")
    return Patient(adata, effect, draw_stains(shared.params.n_slices, shared.stain_effect, stain_rng))


def _make_plan(shared: Shared, i: int, effect: np.ndarray, rng: np.random.Generator) -> Plan:
    """Draw a tissue of the patient's own, then put in its place what is not his own."""
    layout, n_sections = shared.layouts[i % len(shared.layouts)], shared.params.n_slices
    plan = make_plan(replace(shared.params, layout=layout), rng)
    # codes follow the anatomy (the last ring lies at the border, which is seen); programs must not
    code = rng.permutation(shared.params.n_domains)
    return replace(
        plan,
        domain_of=lambda u: code[plan.domain_of(u)],
        domain_depth=plan.domain_depth[np.argsort(code)],
        programs=shared.programs,
        looks=shared.looks,
        batch=np.tile(effect, (n_sections, 1)),
        slice_depth=sample_log_normal(SLICE_DEPTH_SD, n_sections, rng),  # no section is the standard of others
    )


def _name(adata: "AnnData", patient: str) -> None:
    """Name patient, sections and spots in place."""
    sections = [f"{patient}_{s + 1}" for s in range(adata.obs["slice"].cat.categories.size)]
    adata.obs["slice"] = adata.obs["slice"].cat.rename_categories(sections)
    adata.obs.insert(0, "patient", pd.Categorical([patient] * adata.n_obs))
    adata.obs.insert(1, "section", adata.obs["slice"])
    adata.obs_names = f"{patient}_" + adata.obs_names

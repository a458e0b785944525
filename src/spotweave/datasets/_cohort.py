"""The public simulator of several patients: one kind of tissue, each with an anatomy, genes and stains of his own."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .. import _keys as keys
from .._check import check_choice, check_range
from ._dyes import Stain
from ._looks import make_looks
from ._params import LAYOUTS, TissueParams
from ._patient import Patient, Shared, draw_patient
from ._programs import make_programs
from ._stain import add_stain

if TYPE_CHECKING:
    from anndata import AnnData


def simulate_cohort(  # noqa: PLR0913 (a simulator is its parameters)
    n_patients: int = 4,
    *,
    n_sections: int = 2,
    n_obs: int = 300,
    n_genes: int = 300,
    n_types: int = 8,
    n_domains: int = 5,
    layout: Literal["mixed", "layers", "blobs", "rings"] = "mixed",
    signal: float = 0.5,
    library_size: float = 2_000.0,
    overdispersion: float = 0.15,
    patient_effect: float = 0.3,
    stain_effect: float = 0.2,
    rates: bool = False,
    image: bool = True,
    um_per_px: float = 1.0,
    rng: int | np.random.Generator = 0,
) -> "AnnData":
    r"""Simulate stained sections of several patients: what links picture and expression is known, and holds for all.

    Patients share cell types: their expression profiles, the gene programs, and how nuclei and ground of each type
    look. That alone can be learned from some patients and holds for another. Of his own each patient has an anatomy
    (layout, size and composition of domains), effects on genes, and a stain. Counts are those of
    :func:`simulate_tissue`, pictures those of :func:`simulate_stain`, with two differences.

    Genes that follow cell types (``var["image_true"]``) keep their part of the library as one group, and so do the
    other genes that vary in space: no gene of the second group follows the picture because one of the first pushes it
    down. And place and composition of a domain are drawn anew for each patient. Hence programs of domains and
    gradients, which no dye shows, may go along with the picture within one patient, but not in the same way in the
    next: a model that is tested on patients that it was trained on predicts them better than it should. Cell states and
    noise genes do not go along with the picture, once counts are divided by library size. (Logarithms of such
    shares do, a little: their mean depends on depth, and depth on the number of nuclei.)

    Parameters
    ----------
    n_patients
        Patients. Another one leaves those before as they are.
    n_sections
        Sections of each patient: the same anatomy with cells of their own, turned and shifted after the first.
    n_obs
        Spots of one section.
    n_genes, n_types, n_domains, signal, overdispersion
        As in :func:`simulate_tissue`; domains are those of one patient.
    layout
        Arrangement of domains as in :func:`simulate_tissue`, or ``"mixed"``: layers, blobs and rings in turn.
    library_size
        Mean counts of a spot. It varies with the number of cells (nuclei are as dense in the picture) and, invisibly,
        with domain, section and spot.
    patient_effect
        Standard deviation over genes of the log effect of a patient, the same in all of his sections.
    stain_effect
        Standard deviation over patients of the log amounts of haematoxylin and eosin. Half of it is that of the optical
        density of each dye in each colour channel (its hue), a quarter that of the light of the scanner. Sections of
        one patient differ by a quarter of what patients differ by.
    rates
        Also store expected counts, which take dense memory.
    image
        Draw the pictures; they take most of the time.
    um_per_px
        Micrometres per pixel of the pictures; above 1 the smaller nuclei are a pixel or two.
    rng
        Seed or generator. The same seed gives the same cohort, to the bit.

    Returns
    -------
    AnnData ``[n_patients * n_sections * n_obs, n_genes]`` with counts in ``X`` (CSR, float32) and

    - ``obs``: ``patient`` ("P1"), ``section`` ("P1_1"), the same as ``slice``, and the columns of spots of
      :func:`simulate_tissue`; ``domain_true`` names a gene program that patients share, not a composition
    - ``obsm``: ``spatial`` (micrometres, each section in a frame of its own), ``anatomy_true`` (in the frame that
      sections of a patient share), ``activity_true``, ``proportions_true``
    - ``var``: ``module_true``, ``spatial_true`` as in :func:`simulate_tissue`, ``image_true`` (does expression follow
      cell types, hence the picture)
    - ``uns["simulation"]``: ``params``; of all patients ``profiles`` (types x genes), ``loadings``, ``looks``; by
      patient ``layouts``, ``composition`` (patients x domains x types), ``domain_depth``, ``patient_effects``
      (patients x genes); by section ``slice_depth``, ``transforms``, ``stains``; and the names that go with them
    - ``layers["rate_true"]`` with `rates`; ``uns["spatial"][section]`` in scanpy's layout with `image`

    Raises
    ------
    InputError
        When an argument is out of its range, or a picture would pass 100 million pixels.

    Examples
    --------
    >>> import spotweave as sw
    >>> adata = sw.datasets.simulate_cohort(3, n_obs=50, n_genes=100, um_per_px=4.0)
    >>> adata.shape, list(adata.uns["spatial"])[:3]
    ((300, 100), ['P1_1', 'P1_2', 'P2_1'])
    """
    check_range(n_patients, "n_patients", low=1, high=10_000, integer=True)
    check_range(n_sections, "n_sections", low=1, high=10_000, integer=True)
    check_range(n_obs, "n_obs", low=1, high=1e6, integer=True)
    check_choice(layout, ("mixed", *LAYOUTS), "layout")
    check_range(patient_effect, "patient_effect", low=0, high=3)
    check_range(stain_effect, "stain_effect", low=0, high=1)
    check_range(um_per_px, "um_per_px", low=0.1, high=100)
    params = TissueParams(
        n_obs=n_obs * n_sections,
        n_genes=n_genes,
        n_domains=n_domains,
        n_types=n_types,
        n_slices=n_sections,
        signal=signal,
        library_size=library_size,
        overdispersion=overdispersion,
    )
    shared_rng, patients_rng, image_rng = np.random.default_rng(rng).spawn(3)
    shared = Shared(
        params=params,
        layouts=LAYOUTS if layout == "mixed" else (layout,),
        programs=make_programs(n_genes, n_types, n_domains, signal, shared_rng, image=True),
        looks=make_looks(n_types, shared_rng),
        patient_effect=patient_effect,
        stain_effect=stain_effect,
    )
    patients = [draw_patient(shared, i, child, rates=rates) for i, child in enumerate(patients_rng.spawn(n_patients))]
    adata = _join(shared, patients)
    if image:
        add_stain(adata, image_rng, um_per_px=um_per_px)
    return adata


def _join(shared: Shared, patients: list[Patient]) -> "AnnData":
    """Stack the tables, and the truth of each."""
    from anndata import concat

    adata = concat([patient.adata for patient in patients])
    adata.var = patients[0].adata.var.assign(image_true=shared.programs.image)
    truths = [patient.adata.uns[keys.SIMULATION] for patient in patients]
    own = {key: np.stack([truth[key] for truth in truths]) for key in ("composition", "domain_depth")}
    by_section = {key: np.concatenate([truth[key] for truth in truths]) for key in ("slice_depth", "transforms")}
    adata.uns[keys.SIMULATION] = {
        **{key: value for key, value in truths[0].items() if key != "batch_effects"},
        **own,
        **by_section,
        "params": _params(shared, len(patients)),
        "patients": np.array(adata.obs["patient"].cat.categories, dtype=str),
        "slices": np.array(adata.obs["slice"].cat.categories, dtype=str),
        "layouts": np.array([truth["params"]["layout"] for truth in truths]),
        "image": shared.programs.image,
        "patient_effects": np.stack([patient.effect for patient in patients]),
        "stains": _stack_stains([stain for patient in patients for stain in patient.stains]),
    }
    return adata


def _params(shared: Shared, n_patients: int) -> dict[str, Any]:
    """Return the arguments under their public names, and those that readers of a simulation ask for."""
    p = shared.params
    return {
        "n_patients": n_patients,
        "n_sections": p.n_slices,
        "n_obs": p.n_obs // p.n_slices,
        "n_genes": p.n_genes,
        "n_types": p.n_types,
        "n_domains": p.n_domains,
        "layout": "mixed" if len(shared.layouts) > 1 else shared.layouts[0],
        "resolution": p.resolution,
        "signal": p.signal,
        "library_size": p.library_size,
        "overdispersion": p.overdispersion,
        "patient_effect": shared.patient_effect,
        "stain_effect": shared.stain_effect,
    }


def _stack_stains(stains: list[Stain]) -> dict[str, np.ndarray]:
    return {field: np.stack([getattr(stain, field) for stain in stains]) for field in Stain._fields}

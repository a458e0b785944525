import numpy as np
import pytest

import spotweave as sw
from spotweave._demo_slices import bring_together, in_common, off_place


@pytest.fixture(scope="module")
def slices():
    return bring_together(rng=0)


def test_what_is_said_is_that_of_the_labels(slices):
    lines = in_common(slices)
    apart, together = (
        sw.metrics.ari(slices.obs["domain_true"], slices.obs[k]) for k in ("domain_as_measured", "domain")
    )
    assert lines[1] == f"  as measured {apart:.3f}"
    assert lines[2].startswith(f"  integrated  {together:.3f} ")
    assert together > apart + 0.3
    assert f"{slices.uns['integrate']['ilisi_after']:.2f} after" in lines[2]


def test_spots_are_measured_from_where_the_simulation_put_them(slices):
    assert off_place(slices, "spatial_aligned") < 1 < off_place(slices, "spatial")
    first, second = slices.uns["simulation"]["transforms"]
    there = slices.obs["slice"] == "slice_2"
    place = slices.obsm["spatial"].astype(float).copy()
    for i in np.flatnonzero(there):
        place[i] = (first @ np.linalg.solve(second, [*place[i], 1]))[:2]
    slices.obsm["true"] = place
    assert off_place(slices, "true") == pytest.approx(0, abs=1e-9)
    spacing = np.linalg.norm(place[1:][~there[1:]] - place[0], axis=1).min()
    slices.obsm["off"] = place + [3 * spacing, 0]
    assert off_place(slices, "off") == pytest.approx(3, rel=1e-6)

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave import InputError
from spotweave.core.integration.slices import Slices, batch_means, centred, check_slices


def test_means_match_a_loop_and_keep_the_type(rng):
    H, batch = rng.normal(size=(17, 3)).astype(np.float32), np.array([2, 0, 1] * 5 + [2, 2])
    expected = np.stack([H[batch == b].mean(axis=0) for b in range(3)])
    found = batch_means(H, batch)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found.dtype == np.float32
    np.testing.assert_allclose(batch_means(centred(H, batch), batch), 0, atol=1e-6)


def test_one_batch_or_a_small_one_is_refused():
    W = sp.csr_matrix((40, 40))
    with pytest.raises(InputError, match="two batches"):
        check_slices(Slices(np.zeros((40, 2)), W, np.zeros(40, int)))
    with pytest.raises(InputError, match="4 in batch 1"):
        check_slices(Slices(np.zeros((40, 2)), W, np.repeat([0, 1], [36, 4])))

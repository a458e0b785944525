import numpy as np

from spotweave.core.libraries import library_blocks, n_duplicates


def test_library_blocks_cover_rows_once_and_ascend():
    library = np.array(["s2", "s1", "s2", "s3", "s1"])
    assert [block.tolist() for block in library_blocks(5, library)] == [[1, 4], [0, 2], [3]]
    assert [block.tolist() for block in library_blocks(3, None)] == [[0, 1, 2]]
    assert library_blocks(0, None) == []
    assert library_blocks(0, np.array([])) == []


def test_n_duplicates_matches_loop(rng):
    xy, library = rng.integers(0, 4, (67, 2)).astype(float), rng.integers(0, 3, 67)
    seen = [(*xy[i], library[i]) for i in range(67)]
    assert n_duplicates(xy, library) == 67 - len(set(seen))
    assert n_duplicates(xy) == 67 - len({place[:2] for place in seen})
    assert n_duplicates(np.array([[0.0, 1], [-0.0, 1]])) == 1
    assert n_duplicates(np.empty((0, 2))) == 0

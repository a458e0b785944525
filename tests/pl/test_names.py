import numpy as np
import pytest

from spotweave.pl._figure import new_figure
from spotweave.pl._names import place_names, shortened, spread


def empty_axes(limits=(0, 1)):
    ax = new_figure(4, 4, layout=None).add_axes((0.1, 0.1, 0.8, 0.8))
    ax.set_xlim(limits)
    ax.set_ylim(limits)
    return ax


def boxes_of(texts):
    return [t.get_window_extent() for t in texts]


def overlapping(boxes):
    return [(i, j) for i, a in enumerate(boxes) for j, b in enumerate(boxes[:i]) if a.overlaps(b)]


def test_no_name_overlaps_another_or_leaves_the_axes(rng):
    ax = empty_axes()
    xy = np.concatenate([rng.random((40, 2)), [[0, 0], [1, 1], [1, 0]], np.full((4, 2), 0.5)])
    written = place_names(ax, xy, [f"GENE-{i}" for i in range(47)], dots=xy)
    assert 25 < len(written) < 47
    boxes = boxes_of(written)
    assert not overlapping(boxes)
    inside = ax.get_window_extent()
    assert all(inside.x0 <= b.x0 and b.x1 <= inside.x1 and inside.y0 <= b.y0 and b.y1 <= inside.y1 for b in boxes)


def test_the_first_names_are_written_first_and_removed_ones_leave_nothing():
    ax = empty_axes()
    xy = np.full((60, 2), 0.5)
    written = place_names(ax, xy, [f"name {i:02d}" for i in range(60)], dots=xy[:1])
    names = [t.get_text() for t in written]
    assert names[0] == "name 00"
    assert names == sorted(names)
    assert {t.get_text() for t in ax.texts} - {""} == set(names)  # "": lines to the dots


def test_names_keep_off_other_dots_and_texts():
    ax = empty_axes()
    cloud = np.stack(np.meshgrid(np.linspace(0.52, 1, 40), np.linspace(0, 1, 40)), axis=-1).reshape(-1, 2)
    other = ax.text(0.45, 0.5, "beside", ha="right", va="center")
    (text,) = place_names(ax, np.array([[0.5, 0.5]]), ["GENE"], dots=cloud, beside=[other])
    box = text.get_window_extent()
    assert not box.overlaps(other.get_window_extent())
    assert ((ax.transData.transform(cloud) > box.min) & (ax.transData.transform(cloud) < box.max)).all(1).sum() <= 6


def test_a_name_that_would_hide_many_dots_is_left_out(rng):
    ax = empty_axes()
    assert not place_names(ax, np.array([[0.5, 0.5]]), ["GENE"], dots=rng.random((5_000, 2)))
    assert not ax.texts


def test_lines_of_far_names_are_kept_free():
    ax = empty_axes()
    xy = np.repeat([[0.5, 0.5]], 30, axis=0)
    written = place_names(ax, xy, ["NAME"] * 30, dots=xy[:1])
    lines = [t for t in ax.texts if t.get_text() == ""]
    assert lines
    start = ax.transData.transform((0.5, 0.5))
    point = ax.figure.dpi / 72
    for line in lines:
        end = start + np.array(line.get_position()) * point
        inner = start + np.linspace(0.2, 0.95, 8)[:, None] * (end - start)
        for box in boxes_of(written):
            assert not ((inner > box.min + 0.5) & (inner < box.max - 0.5)).all(axis=1).any()


def test_spread_texts_do_not_overlap_and_lone_ones_stay():
    ax = empty_axes()
    texts = [ax.text(0.5, 0.5, str(i)) for i in range(12)] + [ax.text(0.1, 0.1, "alone")]
    spread(ax, texts)
    assert not overlapping(boxes_of(texts))
    assert texts[-1].get_position() == pytest.approx((0.1, 0.1))
    assert texts[0].get_position() == pytest.approx((0.5, 0.5))


@pytest.mark.parametrize(
    ("name", "expected"), [("PCP4", "PCP4"), ("A" * 18, "A" * 18), ("ENSMUSG00000000001-AS1", "ENSMUSG0000…01-AS1")]
)
def test_long_names_keep_beginning_and_end(name, expected):
    assert shortened(name) == expected
    assert len(shortened(name)) <= 18

"""Labels find room: none covers another one, a point, or the edge."""

from __future__ import annotations

import itertools

from edgellm_quant.labels import Box, along, place
from hypothesis import given
from hypothesis import strategies as st

AREA = Box(0, 0, 600, 400)


def test_a_lone_point_has_its_label_at_its_right() -> None:
    (box,) = place([(100, 100)], [(40, 10)], AREA)
    assert box.left > 100
    assert box.bottom < 100 < box.bottom + box.height


@given(st.lists(st.tuples(st.floats(40, 560), st.floats(40, 360)), min_size=1, max_size=12))
def test_labels_do_not_cover_each_other(points: list[tuple[float, float]]) -> None:
    boxes = place(points, [(45, 11)] * len(points), AREA)
    for a, b in itertools.combinations(boxes, 2):
        assert not a.overlaps(b, air=0)
    assert all(box.is_within(AREA) for box in boxes)


def test_the_edge_and_what_is_taken_are_left_alone() -> None:
    taken = Box(500, 300, 100, 100)
    (box,) = place([(595, 290)], [(60, 10)], AREA, [taken])
    assert box.is_within(AREA)
    assert not box.overlaps(taken)


def test_a_line_is_not_written_over() -> None:
    line = along([(50, 100), (300, 100)])
    assert len(line) > 50
    (box,) = place([(150, 100)], [(40, 10)], AREA, line)
    assert not any(box.overlaps(each) for each in line)

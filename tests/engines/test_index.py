"""The index in memory: the same answers as sorting all distances, ties by id, and clear refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy.spatial.distance import cdist

from zehn.engines import Index
from zehn.engines._index import Options
from zehn.errors import InputError, UnknownNameError

SCIPY: dict[str, Any] = {"l2": "euclidean", "l1": "cityblock", "linf": "chebyshev"}
DIMENSIONS = [1, 3, 10, 16, 17, 64]
every_metric = pytest.mark.parametrize("metric", sorted(SCIPY))
WHOLE = npst.arrays(
    np.float32, st.tuples(st.integers(1, 30), st.sampled_from([2, 20])), elements=st.integers(-2, 2).map(float)
)


def filled(codes: Any, ids: Any = None, *, n_scanned: int = 0) -> Index:
    """Return an index that grows a tree at once, unless it is to scan for so many queries."""
    engine = Index(Options(n_scanned=n_scanned))
    engine.add(np.arange(len(codes)) if ids is None else ids, codes)
    return engine


def by_sorting(queries: Any, ids: Any, codes: Any, k: int, metric: str, exclude: Any = None) -> tuple[Any, Any]:
    """The definition: all distances in float64, sorted by distance and id, −1 at infinity where nothing is left."""
    distances = cdist(queries.astype(np.float64), codes.astype(np.float64), SCIPY[metric])
    if exclude is not None:
        distances[np.asarray(exclude)[:, None] == ids] = np.inf
    order = np.lexsort((np.broadcast_to(ids, distances.shape), distances), axis=1)[:, :k]
    found = np.full((len(queries), k), np.inf)
    found[:, : order.shape[1]] = np.take_along_axis(distances, order, axis=1)
    hits = np.full((len(queries), k), -1)
    hits[:, : order.shape[1]] = np.asarray(ids)[order]
    return np.where(np.isfinite(found), hits, -1), found


@every_metric
@pytest.mark.parametrize("n_dimensions", DIMENSIONS)
@pytest.mark.parametrize(("n_queries", "n_scanned"), [(1, 0), (1, 16), (300, 0), (300, 300)])
def test_answers_are_those_of_sorting_all_distances(
    metric: str, n_dimensions: int, n_queries: int, n_scanned: int
) -> None:
    generator = np.random.default_rng(n_dimensions)
    codes = generator.normal(3, 1, size=(700, n_dimensions)).astype(np.float32)
    ids = generator.permutation(5_000)[:700]
    queries = np.concatenate([codes[:150], generator.normal(3, 1, size=(150, n_dimensions))]).astype(np.float32)
    index = filled(codes, ids, n_scanned=n_scanned)
    found_ids, distances = index.search(queries[:n_queries], 12, metric)
    expected_ids, expected = by_sorting(queries[:n_queries], ids, codes, 12, metric)
    np.testing.assert_array_equal(found_ids, expected_ids)
    np.testing.assert_allclose(distances, expected, rtol=1e-6, atol=1e-9)
    assert found_ids.dtype == np.int64
    assert distances.dtype == np.float32


@every_metric
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(codes=WHOLE, k=st.integers(1, 40), data=st.data())
def test_ties_are_ordered_by_id_also_at_the_last_place(metric: str, codes: Any, k: int, data: st.DataObject) -> None:
    # codes of few whole numbers: nearly every distance is tied
    ids = np.array(data.draw(st.permutations(range(10, 10 + len(codes)))))
    exclude = data.draw(st.sampled_from([None, ids, ids[::-1].copy(), np.full(len(codes), 99)]))
    index = filled(codes, ids, n_scanned=data.draw(st.sampled_from([0, 100])))
    found_ids, distances = index.search(codes, k, metric, exclude=exclude)
    expected_ids, expected = by_sorting(codes, ids, codes, k, metric, exclude)
    np.testing.assert_array_equal(found_ids, expected_ids)
    np.testing.assert_allclose(distances, expected, rtol=1e-6)


@every_metric
@pytest.mark.parametrize("n_dimensions", [2, 40])
def test_many_copies_of_one_code(metric: str, n_dimensions: int) -> None:
    codes = np.ones((5_000, n_dimensions), np.float32)
    found_ids, distances = filled(codes).search(codes[:3], 10, metric, exclude=np.array([0, 4, 4_999]))
    assert found_ids.tolist() == [
        [*range(1, 11)],
        [0, 1, 2, 3, *range(5, 11)],
        [*range(10)],
    ]
    assert (distances == 0).all()


def test_more_asked_for_than_there_are() -> None:
    codes = np.array([[0.0, 0], [1, 0], [3, 0]], np.float32)
    found_ids, distances = filled(codes, np.array([7, 5, 6])).search(codes[:2], 5, "l1", exclude=np.array([7, 1_000]))
    assert found_ids.tolist() == [[5, 6, -1, -1, -1], [5, 7, 6, -1, -1]]
    assert distances.tolist() == [[1, 3, np.inf, np.inf, np.inf], [0, 1, 2, np.inf, np.inf]]


def test_an_engine_of_one_code_and_an_empty_one() -> None:
    codes = np.zeros((1, 3), np.float32)
    assert filled(codes).search(codes, 1)[0].tolist() == [[0]]
    assert filled(codes).search(codes, 1, exclude=np.array([0]))[0].tolist() == [[-1]]
    empty = filled(codes[:0])
    found_ids, distances = empty.search(codes, 2)
    assert (len(empty), found_ids.tolist(), distances.tolist()) == (0, [[-1, -1]], [[np.inf, np.inf]])


def test_codes_come_and_go() -> None:
    generator = np.random.default_rng(0)
    codes = generator.normal(size=(60, 4)).astype(np.float32)
    engine = filled(codes[:20], np.arange(100, 120))
    assert engine.search(codes[:1], 1)[0].tolist() == [[100]]
    engine.add(np.arange(40), codes[20:])
    assert len(engine) == 60
    engine.remove(np.array([100, 119, 3]))
    ids = np.concatenate([np.arange(101, 119), np.delete(np.arange(40), 3)])
    kept = np.concatenate([codes[1:19], np.delete(codes[20:], 3, axis=0)])
    np.testing.assert_array_equal(engine.search(codes, 8)[0], by_sorting(codes, ids, kept, 8, "l2")[0])
    engine.add(np.array([100]), codes[:1])
    assert engine.search(codes[:1], 1)[0].tolist() == [[100]]


def test_a_wide_spread_of_scales_is_still_exact() -> None:
    # far from the origin and close together: what a product of matrices alone gets wrong
    generator = np.random.default_rng(0)
    codes = (1_000 + generator.normal(size=(400, 32))).astype(np.float32)
    found_ids, distances = filled(codes).search(codes, 10)
    expected_ids, expected = by_sorting(codes, np.arange(400), codes, 10, "l2")
    np.testing.assert_array_equal(found_ids, expected_ids)
    np.testing.assert_allclose(distances, expected, rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e20])
def test_wrong_codes_are_refused(bad: float) -> None:
    engine = filled(np.zeros((3, 2), np.float32))
    with pytest.raises(InputError, match="codes of at least one dimension and of finite numbers"):
        engine.add(np.array([9]), np.array([[0.0, bad]]))
    with pytest.raises(InputError, match="queries of at least one dimension and of finite numbers"):
        engine.search(np.array([[0.0, bad]]), 1)
    assert len(engine) == 3


def test_wrong_calls_are_refused_and_change_nothing() -> None:
    codes = np.zeros((3, 2), np.float32)
    engine = filled(codes)
    with pytest.raises(InputError, match="id 2 is there already"):
        engine.add(np.array([5, 2]), codes[:2])
    with pytest.raises(InputError, match="id 8 is there already or given twice"):
        engine.add(np.array([8, 8]), codes[:2])
    with pytest.raises(InputError, match="expected an id per code, came 2 ids and 3 codes"):
        engine.add(np.array([8, 9]), codes)
    with pytest.raises(InputError, match="codes have 3 dimensions but the engine holds codes of 2"):
        engine.add(np.array([8]), np.zeros((1, 3)))
    with pytest.raises(InputError, match="queries have 3 dimensions"):
        engine.search(np.zeros((1, 3)), 1)
    with pytest.raises(InputError, match="id 8 is not there"):
        engine.remove(np.array([0, 8]))
    with pytest.raises(InputError, match="k ≥ 1, came 0"):
        engine.search(codes, 0)
    with pytest.raises(UnknownNameError, match="did you mean 'l2'"):
        engine.search(codes, 1, "L2")
    assert len(engine) == 3


def test_it_scans_where_it_is_told_to() -> None:
    codes = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
    scan = Index(Options(max_tree_dimensions=0))
    scan.add(np.arange(200), codes)
    for metric in SCIPY:
        for ours, theirs in zip(scan.search(codes, 7, metric), filled(codes).search(codes, 7, metric), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@every_metric
@pytest.mark.parametrize("n_dimensions", [3, 24])
def test_codes_struck_out_and_a_tail_beside_the_tree(metric: str, n_dimensions: int) -> None:
    generator = np.random.default_rng(1)
    codes = generator.integers(-3, 4, size=(3_000, n_dimensions)).astype(np.float32)
    index = filled(codes[:2_000], np.arange(2_000))
    index.search(codes[:1], 1)
    gone = generator.permutation(2_000)[:400]
    index.remove(gone)
    index.add(np.arange(2_999, 1_999, -1), codes[:1_999:-1])
    index.remove(np.arange(2_500, 2_550))
    index.add(gone[:5], codes[gone[:5]] + 1)
    kept = np.setdiff1d(np.arange(3_000), np.concatenate([gone[5:], np.arange(2_500, 2_550)]))
    codes[gone[:5]] += 1
    queries = codes[::31]
    for among in (None, kept[::2].copy(), kept[:40], kept[-7:], np.array([5_000]), kept[:0]):
        searched = kept if among is None else np.intersect1d(among, kept)
        found_ids, distances = index.search(queries, 9, metric, exclude=np.arange(3_000)[::31], among=among)
        expected_ids, expected = by_sorting(queries, searched, codes[searched], 9, metric, np.arange(3_000)[::31])
        np.testing.assert_array_equal(found_ids, expected_ids)
        np.testing.assert_allclose(distances, expected, rtol=1e-6)
    assert len(index) == len(kept)


def check(index: Index, queries: Any, ids: Any, codes: Any) -> None:
    """Among all codes, and among some of them, the answers are those of sorting."""
    for among in (None, ids[::3].copy()):
        kept = slice(None) if among is None else np.isin(ids, among)
        found_ids, distances = index.search(queries, 9, among=among)
        expected_ids, expected = by_sorting(queries, ids[kept], codes[kept], 9, "l2")
        np.testing.assert_array_equal(found_ids, expected_ids)
        np.testing.assert_allclose(distances, expected, rtol=1e-6, atol=1e-9)
    assert len(index) == len(ids)


def test_what_comes_and_goes_before_the_tree_is_right_in_it() -> None:
    codes = np.random.default_rng(2).normal(size=(900, 4)).astype(np.float32)
    index = filled(codes[300:600], np.arange(300, 600), n_scanned=16)
    left = np.ones(900, bool)
    for first in (0, 600):
        index.search(codes[:4], 2)
        index.add(np.arange(first, first + 300), codes[first : first + 300])
        gone = np.arange(first + 50, first + 100)
        index.remove(gone)
        left[gone] = False
    before = index._tree
    check(index, codes[:40], np.flatnonzero(left), codes[left])
    assert (before, index._tree is not None) == (None, True)
    index.remove(np.arange(700, 750))
    left[700:750] = False
    check(index, codes[:40], np.flatnonzero(left), codes[left])


def test_changes_before_the_tree_do_not_put_it_off_for_ever() -> None:
    codes = np.random.default_rng(2).normal(size=(100, 4)).astype(np.float32)
    index = filled(codes[:50], n_scanned=16)
    for number in range(50, 70):
        index.search(codes[number][None], 1)
        index.add(np.array([number]), codes[number][None])
    assert index._tree is not None


@pytest.mark.parametrize("n_gone", [0, 60])
def test_growing_that_is_interrupted_changes_nothing(n_gone: int, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = np.random.default_rng(3).normal(size=(500, 4)).astype(np.float32)
    index, ids, gone = filled(codes), np.arange(500), np.arange(20, 20 + n_gone)
    grown, calls = Index._grown, iter(range(100))

    def interrupted(*index_and_codes: Any) -> Any:
        if next(calls) == 1:
            raise MemoryError("no room for the second tree")
        return grown(*index_and_codes)

    def refused(*_: Any) -> None:
        raise MemoryError("no room for the codes")

    if n_gone:
        with monkeypatch.context() as patched:
            patched.setattr(Index, "_merge", refused)
            with pytest.raises(MemoryError, match="for the codes"):
                index.remove(gone)
        ids, codes = np.delete(ids, gone), np.delete(codes, gone, axis=0)
    monkeypatch.setattr(Index, "_grown", interrupted)
    with pytest.raises(MemoryError, match="for the second tree"):
        index.search(codes[:1], 1)
    check(index, codes[:30], ids, codes)
    index.remove(ids[::7])
    kept = np.isin(ids, ids[::7], invert=True)
    check(index, codes[:30], ids[kept], codes[kept])


def test_everything_may_go_and_come_back() -> None:
    codes = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    index = filled(codes)
    index.search(codes[:1], 1)
    index.remove(np.arange(30))
    assert len(index) == 0
    assert index.search(codes[:1], 2)[0].tolist() == [[-1, -1]]
    index.add(np.arange(5, 10), np.ones((5, 6)))
    assert index.search(np.ones((1, 6)), 2)[0].tolist() == [[5, 6]]


def test_a_tail_longer_than_the_tree() -> None:
    codes = np.ones((400, 2), np.float32)
    index = filled(codes[:3])
    index.search(codes[:1], 1)
    index.add(np.arange(3, 400), codes[3:])
    assert index.search(codes[:1], 5, exclude=np.array([2]))[0].tolist() == [[0, 1, 3, 4, 5]]


def test_approximate_answers_keep_their_promise() -> None:
    codes = np.random.default_rng(0).normal(size=(5_000, 8)).astype(np.float32)
    index = filled(codes)
    _, exact = index.search(codes[:50], 5, exclude=np.arange(50))
    _, rough = index.search(codes[:50], 5, exclude=np.arange(50), eps=0.5)
    assert (rough >= exact).all()
    assert (rough <= 1.5 * exact * (1 + 1e-6)).all()


@pytest.mark.parametrize("n_dimensions", [10, 20])
@pytest.mark.parametrize("scale", [1e-30, 1e-22, 1e-18])
def test_codes_whose_products_vanish_in_float32_are_told_apart(n_dimensions: int, scale: float) -> None:
    codes = (np.random.default_rng(0).normal(size=(300, n_dimensions)) * scale).astype(np.float32)
    found, _ = filled(codes, n_scanned=300).search(codes[:20], 5, "l2")
    expected, _ = by_sorting(codes[:20], np.arange(300), codes, 5, "l2")
    np.testing.assert_array_equal(found, expected)

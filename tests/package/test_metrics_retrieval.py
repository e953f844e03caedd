"""Retrieval metrics against loops by definition, scikit-learn and torchmetrics; the edges."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, ndcg_score
from torchmetrics.functional.classification import binary_sensitivity_at_specificity
from torchmetrics.functional.retrieval import (
    retrieval_average_precision,
    retrieval_normalized_dcg,
)

from cvlab.metrics import cmc, ndcg, retrieval, retrieval_map, tar_at_far


def gallery(seed, ties=False):
    """Random distances (Q, G), identities, cameras and junk; many equal distances with ``ties``."""
    rng = np.random.default_rng(seed)
    q, g = rng.integers(1, 9), rng.integers(1, 30)
    distances = rng.integers(0, 4, (q, g)) if ties else rng.permutation(q * g).reshape(q, g) / 7
    people, cameras = rng.integers(1, 6), rng.integers(1, 4)
    return {
        "distances": distances,
        "query_id": rng.integers(0, people, q),
        "gallery_id": rng.integers(0, people, g),
        "query_camera": rng.integers(0, cameras, q),
        "gallery_camera": rng.integers(0, cameras, g),
        "junk": rng.random((q, g) if seed % 2 else g) < 0.2,
    }


def cmc_by_definition(distances, query_id, gallery_id, query_camera, gallery_camera, junk, ranks):
    """Sort each query's list, wrong before right where they are equally far, and walk down it."""
    found, queries = np.zeros(ranks), 0
    for q, row in enumerate(distances):
        entries = []
        for g, far in enumerate(row):
            same = query_id[q] == gallery_id[g]
            dropped = junk[g] if np.ndim(junk) == 1 else junk[q][g]
            if not dropped and not (same and query_camera[q] == gallery_camera[g]):
                entries.append((far, same))
        walk = [same for _, same in sorted(entries)]
        if True in walk:
            queries += 1
            found[walk.index(True) :] += 1
    return found / queries if queries else found + math.nan


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(30))
def test_cmc_equals_a_walk_down_each_list(seed, ties):
    given = gallery(seed, ties)
    for ranks in (1, 5, 40):
        np.testing.assert_allclose(
            cmc(**given, ranks=ranks), cmc_by_definition(**given, ranks=ranks)
        )


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(30))
def test_map_equals_scikit_learn_and_torchmetrics(seed, ties):
    given = gallery(seed, ties)
    far, junk = given["distances"], given["junk"]
    relevant = given["query_id"][:, None] == given["gallery_id"]
    found = retrieval_map(far, relevant, junk)
    for q in range(len(far)):
        kept = ~np.broadcast_to(junk, far.shape)[q]
        if not relevant[q, kept].any():
            assert math.isnan(found[q])
            continue
        expected = average_precision_score(relevant[q, kept], -far[q, kept])
        assert found[q] == pytest.approx(expected)
        if not ties:  # torchmetrics breaks ties by chance
            near = 1 / (1.0 + far[q, kept])  # it counts only what scores above 0
            pair = torch.from_numpy(near), torch.from_numpy(relevant[q, kept])
            assert found[q] == pytest.approx(float(retrieval_average_precision(*pair)), abs=1e-6)
            places = [
                1 + int((far[q, kept] < x).sum()) for x in np.sort(far[q, kept & relevant[q]])
            ]
            assert found[q] == pytest.approx(np.mean((1 + np.arange(len(places))) / places))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(30))
def test_ndcg_equals_scikit_learn_and_torchmetrics(seed, ties):
    rng = np.random.default_rng(seed)
    q, g = rng.integers(1, 9), rng.integers(2, 30)
    relevance = rng.integers(0, 4, (q, g)) * rng.choice([1, 0.5])
    scores = rng.integers(0, 5, (q, g)) if ties else rng.normal(size=(q, g))
    for k in (None, 1, 5, 100):
        found = ndcg(relevance, scores, k)
        for row in range(q):
            if not relevance[row].any():
                assert math.isnan(found[row])
                continue
            pair = relevance[row : row + 1], scores[row : row + 1]
            assert found[row] == pytest.approx(ndcg_score(*pair, k=k))
            said, worth = torch.from_numpy(scores[row]), torch.from_numpy(relevance[row])
            if not ties and k != 100:
                other = retrieval_normalized_dcg(said.float(), worth.float(), top_k=k)
                assert found[row] == pytest.approx(float(other), abs=1e-5)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(30))
def test_tar_at_far_equals_torchmetrics_and_a_search(seed, ties):
    rng = np.random.default_rng(seed)
    n = rng.integers(2, 200)
    positive = rng.permutation(np.arange(n) < rng.integers(1, n))
    scores = rng.integers(0, 9, n) / 10 if ties else rng.random(n)
    rates = np.array([0, 0.01, 0.1, 0.25, 0.5, 1])
    found = tar_at_far(positive, scores, rates)
    for far, tar in zip(rates, found, strict=True):
        assert tar_at_far(positive, scores, float(far)) == tar
        pairs = [  # every threshold that could be set
            ((scores[~positive] >= t).mean(), (scores[positive] >= t).mean())
            for t in [*scores, np.inf]
        ]
        assert tar == max(true for false, true in pairs if false <= far)
        other, _ = binary_sensitivity_at_specificity(
            torch.from_numpy(scores), torch.from_numpy(positive).long(), 1 - far - 1e-6
        )
        assert tar == pytest.approx(float(other), abs=1e-6)


def test_the_order_of_the_gallery_does_not_matter():
    given = gallery(4, ties=True)
    order = np.random.default_rng(1).permutation(given["distances"].shape[1])
    mixed = dict(given, distances=given["distances"][:, order], junk=given["junk"][order])
    mixed |= {name: given[name][order] for name in ("gallery_id", "gallery_camera")}
    np.testing.assert_array_equal(cmc(**mixed), cmc(**given))
    relevant = given["query_id"][:, None] == given["gallery_id"]
    np.testing.assert_array_equal(
        retrieval_map(mixed["distances"], relevant[:, order]),
        retrieval_map(given["distances"], relevant),
    )


def test_edges():
    assert doctest.testmod(retrieval).failed == 0
    one = np.zeros((1, 3))
    assert cmc(one, [1], [2, 1, 1], ranks=3).tolist() == [0, 1, 1]  # equal distances do not help
    assert np.isnan(cmc(one, [1], [2, 2, 2])).all()
    assert np.isnan(cmc(one, [1], [1, 1, 1], [0], [0, 0, 0])).all()
    assert np.isnan(cmc(np.zeros((0, 3)), [], [1, 2, 3], ranks=2)).all()
    assert np.isnan(cmc(np.zeros((2, 0)), [1, 2], [], ranks=2)).all()
    assert np.isnan(retrieval_map(np.zeros((2, 0)), np.zeros((2, 0), bool))).all()
    assert np.isnan(ndcg(np.zeros((2, 0)), np.zeros((2, 0)))).all()
    names = cmc([[1, 2]], ["ann"], ["bo", "ann"], ["left"], ["left", "right"], ranks=2)
    assert names.tolist() == [0, 1]
    small = np.array([[250, 3]], np.uint8)  # the minus sign must not wrap round
    assert retrieval_map(small, [False, True]).tolist() == [1]
    assert ndcg(np.array([[0, 200]], np.uint8), small).tolist() == [1 / np.log2(3)]
    assert ndcg([[1, 2]], [[0, 0]]).tolist() == ndcg([[2, 1]], [[0, 0]]).tolist()
    assert retrieval_map(torch.tensor([[0.1, 0.2]]), torch.tensor([True, False])).tolist() == [1]
    assert tar_at_far([1, 0, 1], [3, 3, 3], 0.5) == 0
    assert tar_at_far([1, 0, 1], [3, 3, 3], 1) == 1


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"distances": np.zeros(3)}, ValueError),
        ({"distances": [[0, np.nan, 1], [0, 0, 0]]}, ValueError),
        ({"distances": [["a", "b", "c"]] * 2}, TypeError),
        ({"query_id": [1, 2, 3]}, ValueError),
        ({"query_id": ["a", "b"]}, TypeError),
        ({"gallery_id": [1, 2]}, ValueError),
        ({"query_camera": None}, ValueError),
        ({"gallery_camera": None}, ValueError),
        ({"gallery_camera": [1]}, ValueError),
        ({"junk": [0, 0, 0]}, TypeError),
        ({"junk": np.zeros((3, 2), bool)}, ValueError),
        ({"ranks": 0}, ValueError),
        ({"ranks": 1.5}, TypeError),
    ],
)
def test_cmc_says_what_is_wrong(change, error):
    given = {
        "distances": np.zeros((2, 3)),
        "query_id": [1, 2],
        "gallery_id": [1, 2, 3],
        "query_camera": [0, 0],
        "gallery_camera": [1, 1, 1],
    }
    with pytest.raises(error):
        cmc(**given | change)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: retrieval_map([[1, 2]], [1, 0]), TypeError),
        (lambda: retrieval_map([[1, 2]], [True]), ValueError),
        (lambda: retrieval_map([[1, 2]], None), TypeError),
        (lambda: retrieval_map([[1, np.inf]], [True, False]), ValueError),
        (lambda: ndcg([[1, 2]], [[1, 2, 3]]), ValueError),
        (lambda: ndcg([[1, -2]], [[1, 2]]), ValueError),
        (lambda: ndcg([[1, np.nan]], [[1, 2]]), ValueError),
        (lambda: ndcg([1, 2], [1, 2]), ValueError),
        (lambda: ndcg([[1, 2]], [[1, 2]], k=0), ValueError),
        (lambda: tar_at_far([1, 1], [1, 2]), ValueError),
        (lambda: tar_at_far([1, 0], [1, 2], 1.5), ValueError),
        (lambda: tar_at_far([1, 0], [1, 2], [[0.1]]), ValueError),
        (lambda: tar_at_far([1, 0], [1, 2], "low"), TypeError),
    ],
)
def test_the_others_say_what_is_wrong(call, error):
    with pytest.raises(error):
        call()

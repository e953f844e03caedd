"""The metrics against scikit-learn and their definitions, on good and bad input."""

import doctest
import math
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from sklearn import metrics as reference

from cvlab import metrics


def problems(count=60):
    """Random labels of both kinds and scores with many, some and no ties."""
    rng = np.random.default_rng(11)
    for trial in range(count):
        samples = int(rng.integers(2, 80))
        positive = rng.random(samples) < rng.uniform(0.05, 0.95)
        positive[:2] = rng.permutation([True, False])
        scores = rng.normal(size=samples) + positive * rng.uniform(-1, 3)
        scores = (scores, scores.round(1), scores.round(0), np.zeros(samples))[trial % 4]
        yield positive, scores


# --- Decisions ------------------------------------------------------------------------------------


def test_confusion_matrix_counts_pairs():
    rng = np.random.default_rng(0)
    for classes in (1, 2, 5):
        for samples in (1, 7, 300):
            actual, predicted = rng.integers(0, classes, (2, samples))
            matrix = metrics.confusion_matrix(actual, predicted, classes)
            pairs = Counter(zip(actual.tolist(), predicted.tolist(), strict=True))
            expected = [[pairs[i, j] for j in range(classes)] for i in range(classes)]
            assert matrix.tolist() == expected
            assert matrix.dtype == np.int64
            if len(set(actual) | set(predicted)) > 1:  # it warns of a single label
                theirs = reference.confusion_matrix(actual, predicted, labels=range(classes))
                assert np.array_equal(matrix, theirs)
            assert metrics.accuracy(actual, predicted) == np.trace(matrix) / samples


def test_confusion_matrix_takes_labels_of_any_kind_and_order():
    actual, predicted = ["b", "a", "c", "a"], np.array(["b", "a", "a", "c"], object)
    expected = [[1, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert metrics.confusion_matrix(actual, predicted).tolist() == expected
    turned = metrics.confusion_matrix(actual, predicted, classes=["c", "b", "a"])
    assert turned.tolist() == np.array(expected)[::-1, ::-1].tolist()
    # A class that never occurs keeps its row and column of zeros.
    assert metrics.confusion_matrix([1.0, 3.0], [3, 3], classes=[3, 2, 1]).tolist() == [
        [1, 0, 0],
        [0, 0, 0],
        [1, 0, 0],
    ]
    assert metrics.confusion_matrix([True, False], [True, True]).tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (([], []), ValueError, "actual is empty"),
        (([1, 2], [1]), ValueError, "actual has 2 labels and predicted 1"),
        (([[1], [2]], [1, 2]), ValueError, "actual must have one dimension"),
        ((["a"], [1]), TypeError, "both be numbers or both be strings"),
        (([1, np.nan], [1, 2]), ValueError, "actual must be finite"),
        (([1, None], [1, 2]), TypeError, "numbers or strings"),
        (([0, 5], [0, 1], 3), ValueError, "label 5 is not among"),
        (([0, -1], [0, 1], 3), ValueError, "label -1 is not among"),
        (([0, 1], [0, 1], 0), ValueError, "distinct labels"),
        (([0, 1], [0, 1], [0, 1, 1]), ValueError, "distinct labels"),
        (([0, 1], [0, 1], 2.0), ValueError, "distinct labels, at least one, not 2.0"),
        (([0, 1], [0, 1], True), ValueError, "distinct labels, at least one, not True"),
        (([0, 1], [0, 1], ["a", "b"]), TypeError, "of the labels' type"),
    ],
)
def test_wrong_labels_are_named(arguments, error, words):
    with pytest.raises(error, match=words) as caught:
        metrics.confusion_matrix(*arguments)
    assert "\n" not in str(caught.value)
    if len(arguments) == 2:
        with pytest.raises(error, match=words):
            metrics.accuracy(*arguments)


def test_rates_are_those_of_scikit_learn():
    rng = np.random.default_rng(3)
    for _ in range(40):
        actual, predicted = rng.random((2, int(rng.integers(4, 60)))) < 0.5
        actual[:4], predicted[:4] = [0, 0, 1, 1], [0, 1, 0, 1]
        ours = metrics.binary_rates(actual.astype(int), predicted.astype(float))
        flipped = ~actual, ~predicted
        expected = {
            "true_positive_rate": reference.recall_score(actual, predicted),
            "true_negative_rate": reference.recall_score(*flipped),
            "positive_predictive_value": reference.precision_score(actual, predicted),
            "negative_predictive_value": reference.precision_score(*flipped),
            "false_positive_rate": 1 - reference.recall_score(*flipped),
            "false_negative_rate": 1 - reference.recall_score(actual, predicted),
            "false_discovery_rate": 1 - reference.precision_score(actual, predicted),
            "false_omission_rate": 1 - reference.precision_score(*flipped),
            "accuracy": reference.accuracy_score(actual, predicted),
            "error_rate": reference.zero_one_loss(actual, predicted),
            "f1": reference.f1_score(actual, predicted),
        }
        assert ours._asdict() == pytest.approx(expected, abs=1e-12)


def test_a_rate_without_cases_is_nan():
    never = metrics.binary_rates([0, 0, 1], [0, 0, 0])
    undefined = {name for name, rate in never._asdict().items() if math.isnan(rate)}
    assert undefined == {"positive_predictive_value", "false_discovery_rate"}
    assert never.f1 == 0
    no_positive = metrics.binary_rates([False], [False])
    undefined = {name for name, rate in no_positive._asdict().items() if math.isnan(rate)}
    assert undefined == {
        "true_positive_rate",
        "false_negative_rate",
        "positive_predictive_value",
        "false_discovery_rate",
        "f1",
    }
    with pytest.raises(ValueError, match="actual has 1 labels and predicted 2"):
        metrics.binary_rates([1], [1, 0])
    with pytest.raises(ValueError, match=r"predicted must hold only 0 and 1.*holds 2"):
        metrics.binary_rates([1, 0], [1, 2])


# --- ROC ------------------------------------------------------------------------------------------


def test_roc_is_that_of_scikit_learn():
    for positive, scores in problems():
        ours = metrics.roc_curve(positive, scores)
        theirs = reference.roc_curve(positive, scores, drop_intermediate=False)
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine, other, rtol=0, atol=1e-14)
        assert ours.thresholds[0] == np.inf


def test_roc_points_are_the_rates_of_their_thresholds():
    for positive, scores in problems(24):
        for fall_out, recall, threshold in zip(*metrics.roc_curve(positive, scores), strict=True):
            rates = metrics.binary_rates(positive, scores >= threshold)
            assert (fall_out, recall) == (rates.false_positive_rate, rates.true_positive_rate)


def test_roc_auc_is_the_chance_that_a_positive_outranks_a_negative():
    for positive, scores in problems():
        ours, others = scores[positive][:, None], scores[~positive]
        chance = np.mean((ours > others) + 0.5 * (ours == others))
        area = metrics.roc_auc(positive, scores)
        assert area == pytest.approx(chance, abs=1e-14)
        assert area == pytest.approx(reference.roc_auc_score(positive, scores), abs=1e-12)
        curve = metrics.roc_curve(positive, scores)
        polygon = metrics.auc(curve.false_positive_rate, curve.true_positive_rate)
        assert area == pytest.approx(polygon, abs=1e-12)


def test_the_order_of_equal_scores_decides_nothing():
    rng = np.random.default_rng(8)
    positive, scores = rng.random(50) < 0.4, rng.integers(0, 4, 50) / 4
    order = rng.permutation(50)
    turned = positive[order], scores[order]
    assert metrics.roc_auc(positive, scores) == metrics.roc_auc(*turned)
    assert metrics.average_precision(positive, scores) == metrics.average_precision(*turned)
    for ours, theirs in zip(
        metrics.roc_curve(positive, scores), metrics.roc_curve(*turned), strict=True
    ):
        assert np.array_equal(ours, theirs)


def test_equal_scores_make_one_point():
    curve = metrics.roc_curve([1, 0, 1], [0.5, 0.5, 0.5])
    assert [values.tolist() for values in curve] == [[0, 1], [0, 1], [np.inf, 0.5]]
    assert metrics.roc_auc([1, 0, 1], [0.0, -0.0, 0.0]) == 0.5
    assert metrics.average_precision([1, 0, 1], [0.5, 0.5, 0.5]) == pytest.approx(2 / 3)


def test_auc_is_the_trapezoidal_area_either_way():
    rng = np.random.default_rng(4)
    for _ in range(20):
        x, y = np.sort(rng.random(9)), rng.random(9)
        assert metrics.auc(x, y) == pytest.approx(reference.auc(x, y), abs=1e-14)
        assert metrics.auc(x[::-1], y[::-1]) == pytest.approx(metrics.auc(x, y), abs=1e-14)
    with pytest.raises(ValueError, match="rise or fall"):
        metrics.auc([0, 2, 1], [0, 1, 2])
    with pytest.raises(ValueError, match="at least two"):
        metrics.auc([0], [1])
    with pytest.raises(ValueError, match="as many"):
        metrics.auc([0, 1], [1])


# --- Precision and recall -------------------------------------------------------------------------


def test_precision_recall_is_that_of_scikit_learn():
    for positive, scores in problems():
        ours = metrics.precision_recall_curve(positive, scores)
        theirs = reference.precision_recall_curve(positive, scores)
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine, other, rtol=0, atol=1e-14)
        ap = metrics.average_precision(positive, scores)
        expected = reference.average_precision_score(positive, scores)
        assert ap == pytest.approx(expected, abs=1e-12)


def interpolated_by_definition(positive, scores, total):
    """(11-point, all-point) of the Pascal VOC development kit, one loop at a time."""
    points = []
    for threshold in sorted(set(scores.tolist()), reverse=True):
        chosen = scores >= threshold
        hits = int(positive[chosen].sum())
        points.append((hits, hits / int(chosen.sum())))
    at = [
        max((p for hits, p in points if 10 * hits >= tenths * total), default=0.0)
        for tenths in range(11)
    ]
    every = [
        max((p for hits, p in points if hits >= count), default=0.0)
        for count in range(1, total + 1)
    ]
    return sum(at) / 11, sum(every) / total


def test_interpolated_average_precision_is_that_of_the_definition():
    for trial, (positive, scores) in enumerate(problems()):
        # A detector misses some: they count as positives that no threshold reaches.
        found = int(positive.sum())
        total = found + trial % 3 * 4
        eleven, every = interpolated_by_definition(positive, scores, total)
        given = {"total": total} if total > found else {}
        for kind, expected in (("11-point", eleven), ("all-point", every)):
            ours = metrics.average_precision(positive, scores, interpolated=kind, **given)
            assert ours == pytest.approx(expected, abs=1e-12), (kind, total)
        plain = metrics.average_precision(positive, scores, **given)
        assert plain <= every + 1e-12


def test_recall_of_a_tenth_reaches_it_despite_rounding():
    # Ten positives, each followed by a negative: recall takes the values k / 10 exactly.
    positive = np.tile([1, 0], 10)
    scores = -np.arange(20.0)
    precision = [1.0] + [max(j / (2 * j - 1) for j in range(k, 11)) for k in range(1, 11)]
    ours = metrics.average_precision(positive, scores, interpolated="11-point")
    assert ours == pytest.approx(sum(precision) / 11, abs=1e-12)
    missed = metrics.average_precision([1], [0.3], interpolated="11-point", total=10)
    assert missed == pytest.approx(2 / 11)


def test_precision_recall_with_one_kind_only():
    precision, recall, thresholds = metrics.precision_recall_curve([1, 1], [0.2, 0.7])
    assert (precision.tolist(), recall.tolist()) == ([1, 1, 1], [1, 0.5, 0])
    assert thresholds.tolist() == [0.2, 0.7]
    assert metrics.average_precision([1, 1], [0.2, 0.7]) == 1
    assert metrics.average_precision([0, 0], [0.2, 0.7], total=3) == 0


@pytest.mark.parametrize("interpolated", [False, "11-point", "all-point"])
def test_a_detector_that_found_nothing_has_precision_zero(interpolated):
    assert metrics.average_precision([], [], interpolated=interpolated, total=3) == 0
    precision, recall, thresholds = metrics.precision_recall_curve([], [], total=3)
    assert (precision.tolist(), recall.tolist(), thresholds.tolist()) == ([1], [0], [])
    with pytest.raises(ValueError, match="no positive sample"):
        metrics.average_precision([], [], interpolated=interpolated, total=0)
    with pytest.raises(ValueError, match="scores is empty"):
        metrics.average_precision([1], [], interpolated=interpolated, total=3)
    for function in (metrics.precision_recall_curve, metrics.average_precision):
        with pytest.raises(ValueError, match="no positive sample"):
            function([0, 0], [0.2, 0.7])


# --- Bad scores -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("positive", "scores", "error", "words"),
    [
        ([], [], ValueError, "positive is empty"),
        ([0, 1], [], ValueError, "scores is empty"),
        ([0, 1], [0.5], ValueError, "positive has 2 entries and scores 1"),
        ([0, 1], [0.5, np.nan], ValueError, "scores must be finite"),
        ([0, 1], [0.5, np.inf], ValueError, "scores must be finite"),
        ([0, np.nan], [0.5, 0.1], ValueError, "positive must be finite"),
        ([-1, 1], [0.5, 0.1], ValueError, r"only 0 and 1, or booleans; it holds -1"),
        ([0, 0.5], [0.5, 0.1], ValueError, "it holds 0.5"),
        (["no", "yes"], [0.5, 0.1], TypeError, "positive must be numbers"),
        ([0, 1], ["0.5", "0.1"], TypeError, "scores must be numbers"),
        ([0, 1], [0.5, 1j], TypeError, "scores must be numbers"),
        ([[0, 1]], [[0.5, 0.1]], ValueError, "positive must have one dimension"),
        ([0, 1], [[0.5, 0.1]], ValueError, "scores must have one dimension"),
        (1, 0.5, ValueError, "positive must have one dimension"),
    ],
)
@pytest.mark.parametrize(
    "function",
    [
        metrics.roc_curve,
        metrics.roc_auc,
        metrics.precision_recall_curve,
        metrics.average_precision,
    ],
)
def test_wrong_scores_are_named(function, positive, scores, error, words):
    with pytest.raises(error, match=words) as caught:
        function(positive, scores)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("function", [metrics.roc_curve, metrics.roc_auc])
@pytest.mark.parametrize(("value", "kind"), [(0, "negative"), (1, "positive")])
def test_roc_needs_both_kinds(function, value, kind):
    with pytest.raises(ValueError, match=f"All 3 samples are {kind}"):
        function([value] * 3, [0.1, 0.2, 0.3])


def test_wrong_options_are_named():
    with pytest.raises(ValueError, match="at least the 2 positives given, not 1"):
        metrics.average_precision([1, 1], [0.1, 0.2], total=1)
    with pytest.raises(TypeError):
        metrics.average_precision([1, 1], [0.1, 0.2], total=2.5)
    with pytest.raises(ValueError, match="11-point"):
        metrics.average_precision([1, 1], [0.1, 0.2], interpolated=True)


def test_whole_numbers_and_single_precision_are_scores_too():
    rng = np.random.default_rng(6)
    positive, scores = rng.random(40) < 0.5, rng.integers(-9, 9, 40)
    for kind in (np.int8, np.float16, np.float32, bool):
        given = scores.astype(kind)
        expected = reference.roc_auc_score(positive, given.astype(float))
        assert metrics.roc_auc(positive.tolist(), given) == pytest.approx(expected)


def test_input_is_left_alone():
    positive, scores = np.array([1, 0, 1]), np.array([0.3, 0.9, 0.1])
    before = positive.copy(), scores.copy()
    metrics.roc_curve(positive, scores)
    metrics.average_precision(positive, scores)
    metrics.roc_auc(positive, scores)
    assert np.array_equal(positive, before[0])
    assert np.array_equal(scores, before[1])


def test_a_rare_class_has_a_high_auc_and_a_low_average_precision():
    # Each positive is beaten by 4 % of the negatives, of which there are 2,000 times as many.
    negatives = np.linspace(0, 1, 20_000)
    positive = np.r_[np.zeros(20_000), np.ones(10)]
    scores = np.r_[negatives, np.full(10, 0.96)]
    assert metrics.roc_auc(positive, scores) == pytest.approx(0.96, abs=1e-3)
    assert metrics.average_precision(positive, scores) < 0.02


def test_a_total_that_is_no_integer_is_named():
    with pytest.raises(TypeError, match="total must be an integer, not float"):
        metrics.average_precision([1, 0], [0.5, 0.1], total=2.0)


# --- The module -----------------------------------------------------------------------------------


def test_doctests():
    assert doctest.testmod(metrics).failed == 0


def test_import_is_light():
    code = (
        "import sys, cvlab.metrics; print({'torch', 'torchvision', 'cv2', 'sklearn', 'skimage', "
        "'scipy'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "set()"

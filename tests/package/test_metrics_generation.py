"""frechet_distance against the closed form, SciPy's matrix root and torchmetrics; at the edges."""

import doctest
import warnings

import numpy as np
import pytest
import scipy.linalg
from scipy.stats import ortho_group

from cvlab.metrics import frechet_distance, generation


def exactly(rng, rows, mean, root):
    """Return features (rows, D) whose sample mean and covariance root^T root hold exactly."""
    raw = rng.normal(size=(rows, len(mean)))
    raw -= raw.mean(axis=0)
    white = np.linalg.qr(raw)[0] * np.sqrt(rows - 1)
    return white @ root + mean


def by_matrix_root(a, b):
    size = a.shape[1]
    of_a, of_b = (np.cov(x, rowvar=False).reshape(size, size) for x in (a, b))
    root = scipy.linalg.sqrtm(of_a @ of_b)
    step = a.mean(axis=0) - b.mean(axis=0)
    return step @ step + np.trace(of_a + of_b - 2 * np.real(root))


@pytest.mark.parametrize("seed", range(10))
def test_closed_form_for_axes_in_common(seed):
    # Covariances with common axes: the distance is that of the means and of the deviations.
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 12))
    axes = ortho_group.rvs(size, random_state=rng) if size > 1 else np.eye(1)
    widths = rng.uniform(0, 3, (2, size))
    widths[:, rng.random(size) < 0.3] = 0  # directions without any spread
    means = rng.normal(size=(2, size))
    a, b = (
        exactly(rng, rows, mean, np.diag(width) @ axes)
        for rows, mean, width in zip((30, 41), means, widths, strict=True)
    )
    wanted = ((means[0] - means[1]) ** 2).sum() + ((widths[0] - widths[1]) ** 2).sum()
    assert np.isclose(frechet_distance(a, b), wanted, rtol=1e-10)
    assert np.isclose(frechet_distance(b, a), wanted, rtol=1e-10)


@pytest.mark.parametrize("seed", range(10))
def test_equals_the_matrix_root(seed):
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 40))
    a, b = (
        rng.normal(size=(n, size)) @ rng.normal(size=(size, size)) + rng.normal(size=size)
        for n in (200, 150)
    )
    distance = frechet_distance(a, b)
    assert np.isclose(distance, by_matrix_root(a, b), rtol=1e-7)
    turn = ortho_group.rvs(size, random_state=rng) if size > 1 else -np.eye(1)
    assert np.isclose(frechet_distance(a @ turn + 5, b @ turn + 5), distance, rtol=1e-9)
    assert np.isclose(frechet_distance(3 * a, 3 * b), 9 * distance, rtol=1e-9)
    assert np.isclose(frechet_distance(a[rng.permutation(200)], b), distance, rtol=1e-9)


def test_equals_torchmetrics():
    torch = pytest.importorskip("torch")
    fid = pytest.importorskip("torchmetrics.image.fid")

    class Flat(torch.nn.Flatten):
        num_features = 16

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(80, 1, 4, 4)), 2 * rng.normal(size=(70, 1, 4, 4)) + 1
    metric = fid.FrechetInceptionDistance(feature=Flat(), normalize=False).set_dtype(torch.float64)
    for images, real in ((a, True), (b, False)):
        metric.update(torch.from_numpy(images), real=real)
    ours = frechet_distance(a.reshape(80, 16), b.reshape(70, 16))
    assert np.isclose(ours, float(metric.compute()), rtol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_singular_covariances_need_no_help(seed):
    # 64 features that span three directions only, and fewer rows than features.
    rng = np.random.default_rng(seed)
    basis = rng.normal(size=(3, 64))
    a, b = rng.normal(size=(90, 3)) @ basis, 2 * rng.normal(size=(80, 3)) @ basis + 1
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        distance = frechet_distance(a, b)
        few = frechet_distance(a[:5], b[:7])
    axes = np.linalg.qr(np.vstack([basis, np.ones(64)]).T)[0]  # (64, 4), holds all directions
    assert np.isclose(distance, frechet_distance(a @ axes, b @ axes), rtol=1e-9)
    assert np.isclose(few, frechet_distance(a[:5] @ axes, b[:7] @ axes), rtol=1e-9)


def test_never_negative_and_zero_for_one_set():
    rng = np.random.default_rng(3)
    for scale in (1e-6, 1, 1e6):
        for size in (1, 7, 64, 200):
            a = scale * rng.normal(size=(100, size))
            assert frechet_distance(a, a) == 0
            assert 0 <= frechet_distance(a, a[::-1]) < 1e-20 * scale**2
            assert np.isclose(frechet_distance(a, a + scale), size * scale**2)


def test_edges():
    assert doctest.testmod(generation).failed == 0
    ones = np.ones((3, 4))
    assert frechet_distance(ones, 2 * np.ones((5, 4))) == 4
    assert frechet_distance(np.full((5, 2), 255, np.uint8), np.zeros((4, 2), np.uint8)) == 130050
    assert frechet_distance([[True], [False]], [[1.0], [0.0]]) == 0
    single = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    assert frechet_distance(single, single + np.float32(1)) == pytest.approx(3, rel=1e-6)
    before = single.copy()
    frechet_distance(single, ones[:, :3])
    assert (single == before).all()


@pytest.mark.parametrize(
    ("a", "b", "error", "words"),
    [
        (np.zeros((0, 3)), np.zeros((4, 3)), ValueError, "a is empty"),
        (np.zeros((4, 0)), np.zeros((4, 0)), ValueError, "a is empty"),
        (np.zeros((1, 3)), np.zeros((4, 3)), ValueError, "two rows"),
        (np.zeros((4, 3)), np.zeros((4, 2)), ValueError, "as many features"),
        (np.zeros(4), np.zeros(4), ValueError, "shape"),
        (np.zeros((4, 8, 8)), np.zeros((4, 64)), ValueError, "shape"),
        (np.full((4, 3), np.nan), np.zeros((4, 3)), ValueError, "finite"),
        (np.zeros((4, 3)), np.full((4, 3), np.inf), ValueError, "b must be finite"),
        (np.array([["x"], ["y"]]), np.zeros((4, 1)), TypeError, "numbers"),
        (np.zeros((4, 3), complex), np.zeros((4, 3)), TypeError, "numbers"),
    ],
)
def test_bad_input_in_one_sentence(a, b, error, words):
    with pytest.raises(error, match=words) as caught:
        frechet_distance(a, b)
    assert str(caught.value).count("\n") == 0

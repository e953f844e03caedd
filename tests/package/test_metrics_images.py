"""PSNR and SSIM against scikit-image and a loop by the definition, and images at the edges."""

import doctest
import math
import warnings

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from cvlab import metrics
from cvlab.metrics import images


def test_psnr_is_that_of_scikit_image():
    rng = np.random.default_rng(2)
    for shape in ((1,), (5, 7), (4, 4, 3)):
        clean, noisy = rng.random((2, *shape))
        expected = peak_signal_noise_ratio(clean, noisy, data_range=1)
        assert metrics.psnr(clean, noisy) == pytest.approx(expected)
        bytes_ = (255 * clean).astype(np.uint8), (255 * noisy).astype(np.uint8)
        expected = peak_signal_noise_ratio(*bytes_, data_range=255)
        assert metrics.psnr(*bytes_, peak=255) == pytest.approx(expected)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert metrics.psnr(clean, clean) == math.inf


def test_psnr_names_what_is_wrong():
    with pytest.raises(ValueError, match="one shape"):
        metrics.psnr(np.zeros((2, 2)), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="image holds NaN"):
        metrics.psnr([0.0], [np.nan])
    with pytest.raises(ValueError, match="images are empty"):
        metrics.psnr([], [])
    with pytest.raises(ValueError, match="peak must be a positive"):
        metrics.psnr([0.0], [1.0], peak=0)
    with pytest.raises(TypeError, match="peak must be one number, not str"):
        metrics.psnr([0.0], [1.0], peak="1")


# --- SSIM -----------------------------------------------------------------------------------------


def pairs():
    """Two images of different sizes, kinds and contents."""
    rng = np.random.default_rng(5)
    for shape in ((11, 11), (11, 40), (30, 12), (150, 33), (16, 20, 3)):
        clean = rng.random(shape)
        yield clean, np.clip(clean + rng.normal(0, 0.2, shape), 0, 1)
        yield clean, 1 - clean
        yield np.full(shape, 0.5), clean
        yield np.full(shape, 0.3), np.full(shape, 0.6)
        yield clean > 0.5, clean > 0.4


@pytest.mark.parametrize("peak", [1.0, 255])
def test_gaussian_window_is_that_of_scikit_image(peak):
    for clean, other in pairs():
        a, b = peak * clean, peak * other
        mean, everywhere = structural_similarity(
            a.astype(float),
            b.astype(float),
            data_range=peak,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            K1=0.01,
            K2=0.03,
            channel_axis=2 if a.ndim == 3 else None,
            full=True,
        )
        assert metrics.ssim(a, b, peak) == pytest.approx(mean, abs=1e-9)
        inner = everywhere[5 : len(a) - 5, 5 : a.shape[1] - 5]
        np.testing.assert_allclose(metrics.ssim_map(a, b, peak), inner, atol=1e-8)


@pytest.mark.parametrize("side", [3, 7, 11])
def test_uniform_window_and_other_constants_are_those_of_scikit_image(side):
    for clean, other in pairs():
        theirs = structural_similarity(
            clean.astype(float),
            other.astype(float),
            data_range=1.0,
            win_size=side,
            use_sample_covariance=False,
            K1=0.02,
            K2=0.05,
            channel_axis=2 if clean.ndim == 3 else None,
        )
        ours = metrics.ssim(clean, other, sigma=None, side=side, constants=(0.02, 0.05))
        assert ours == pytest.approx(theirs, abs=1e-9)


def test_map_is_the_definition_in_every_window():
    rng = np.random.default_rng(1)
    a, b = rng.random((2, 9, 8))
    weights = np.outer(*2 * [np.exp(-0.5 * np.array([-2, -1, 0, 1, 2]) ** 2 / 0.9**2)])
    weights /= weights.sum()
    found = metrics.ssim_map(a, b, 2.0, sigma=0.9, side=5)
    assert found.shape == (5, 4)
    for i in range(5):
        for j in range(4):
            x, y = a[i : i + 5, j : j + 5], b[i : i + 5, j : j + 5]
            mx, my = (weights * x).sum(), (weights * y).sum()
            vx, vy = (weights * (x - mx) ** 2).sum(), (weights * (y - my) ** 2).sum()
            both = (weights * (x - mx) * (y - my)).sum()
            c1, c2 = 0.02**2, 0.06**2
            light = (2 * mx * my + c1) / (mx**2 + my**2 + c1)
            wanted = light * (2 * both + c2) / (vx + vy + c2)
            assert found[i, j] == pytest.approx(wanted, abs=1e-12)


def test_properties():
    assert doctest.testmod(images).failed == 0
    rng = np.random.default_rng(2)
    a, b = rng.random((2, 20, 31))
    assert metrics.ssim(a, a) == pytest.approx(1)
    assert metrics.ssim(a, b) == pytest.approx(metrics.ssim(b, a))
    assert metrics.ssim(a, 1 - a) < 0
    assert metrics.ssim(a, a + 0.001) < 1
    black = np.zeros((11, 11))
    assert metrics.ssim(black, black) == 1
    assert metrics.ssim(black, black + 1) == pytest.approx(1e-4 / (1 + 1e-4))
    # A large offset costs no digits: both images flat but for noise of a millionth.
    faint = 1000 + 1e-6 * a
    assert metrics.ssim(faint, faint, 1e-6) == pytest.approx(1)
    # Each channel on its own, and bytes without overflow.
    colour = np.stack([a, b, a], 2)
    other = np.stack([b, b, b], 2)
    expected = (2 * metrics.ssim(a, b) + 1) / 3
    assert metrics.ssim(colour, other) == pytest.approx(expected)
    bytes_ = [np.rint(255 * x).astype(np.uint8) for x in (a, b)]
    floats = [x.astype(float) for x in bytes_]
    assert metrics.ssim(*bytes_, 255) == metrics.ssim(*floats, 255)
    assert metrics.ssim_map(a, b, side=1, sigma=None).shape == a.shape


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"image": np.zeros((12, 11))}, ValueError, "one shape"),
        ({"reference": np.zeros((12, 12)) + np.nan}, ValueError, "reference holds NaN"),
        ({"image": np.full((12, 12), "a")}, TypeError, "image must hold real numbers"),
        ({"reference": [], "image": []}, ValueError, "images are empty"),
        ({"reference": np.zeros(12), "image": np.zeros(12)}, ValueError, "Images must have"),
        (
            {"reference": np.zeros((12, 12, 2)), "image": np.zeros((12, 12, 2))},
            ValueError,
            "Images must have shape",
        ),
        ({"side": 13}, ValueError, "hold a window of 13 x 13"),
        ({"side": 4}, ValueError, "side must be odd"),
        ({"side": 5.0}, TypeError, "side must be an integer"),
        ({"side": 0}, ValueError, "side must be at least 1"),
        ({"sigma": 0}, ValueError, "sigma must be a positive"),
        ({"sigma": "1"}, TypeError, "sigma must be one number"),
        ({"peak": -1}, ValueError, "peak must be a positive"),
        ({"peak": math.nan}, ValueError, "peak must be a positive"),
        ({"constants": (0.01, 0)}, ValueError, "constants must be a positive"),
        ({"constants": 0.01}, ValueError, "constants must be two numbers"),
    ],
)
def test_bad_arguments(change, error, words):
    given = {"reference": np.zeros((12, 12)), "image": np.zeros((12, 12))} | change
    with pytest.raises(error, match=words):
        metrics.ssim(**given)

"""Losses of pairs without depth, against scikit-image, loops, planes and finite differences."""

import doctest

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from cvlab import metrics, nets
from cvlab.nets import stereo_losses


def images(seed, shape=(2, 3, 7, 9)):
    return torch.rand(2, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


def test_examples():
    result = doctest.testmod(stereo_losses, extraglobs={"torch": torch})
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize("seed", range(4))
def test_windows_are_those_of_scikit_image(seed):
    a, b = images(seed)
    found = nets.ssim_windows(a, b)
    triples = (each.flatten(0, 1) for each in (a, b, found))
    for one, other, values in zip(*triples, strict=True):
        _, expected = structural_similarity(
            one.numpy(),
            other.numpy(),
            win_size=3,
            data_range=1.0,
            use_sample_covariance=False,
            full=True,
        )
        np.testing.assert_allclose(values, expected[1:-1, 1:-1], atol=1e-9)
        exact = metrics.ssim_map(one.numpy(), other.numpy(), sigma=None, side=3)
        np.testing.assert_allclose(values, exact, atol=1e-9)


def test_appearance_is_a_weighted_sum():
    a, b = images(0)
    plain, structure = (float(nets.appearance_loss(a, b, alpha)) for alpha in (0, 1))
    assert plain == pytest.approx(float((a - b).abs().mean()))
    assert float(nets.appearance_loss(a, b, 0.85)) == pytest.approx(0.85 * structure + 0.15 * plain)
    assert float(nets.appearance_loss(a, a)) == pytest.approx(0, abs=1e-9)


def test_smoothness_equals_a_loop():
    d, image = images(1, (1, 1, 4, 5))[0], images(2, (1, 3, 4, 5))[0]
    along = {(0, 1): [], (1, 0): []}
    for i, j in np.ndindex(4, 5):
        for (di, dj), steps in along.items():
            if i + di < 4 and j + dj < 5:
                edge = (image[0, :, i, j] - image[0, :, i + di, j + dj]).abs().mean()
                steps.append(float((d[0, 0, i, j] - d[0, 0, i + di, j + dj]).abs() * (-edge).exp()))
    expected = sum(np.mean(steps) for steps in along.values())
    assert float(nets.smoothness_loss(d, image)) == pytest.approx(expected)
    assert float(nets.smoothness_loss(d, image, aware=False)) > expected
    assert float(nets.smoothness_loss(torch.full_like(d, 3.0), image)) == 0


def test_both_maps_of_a_slanted_plane_agree_inside():
    u = torch.arange(200, dtype=torch.double).expand(1, 1, 3, 200)
    left, right = 2 + 0.01 * u, (2 + 0.01 * u) / 0.99
    agreed, printed = (float(nets.consistency_loss(left, other)) for other in (right, -right))
    assert agreed < 1e-3  # only what points outside disagrees
    assert printed > 1


def test_gradients_are_those_of_finite_differences():
    a, b = images(3, (1, 2, 4, 5))
    left, right = (1 + 2 * images(4, (1, 1, 4, 5))).unbind()
    for tensor in (a, b, left, right):
        tensor.requires_grad_()
    assert torch.autograd.gradcheck(nets.appearance_loss, (a, b))
    assert torch.autograd.gradcheck(nets.smoothness_loss, (left, a))
    assert torch.autograd.gradcheck(nets.consistency_loss, (left, right))


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda x: nets.ssim_windows(x, x[:1]), ValueError, "one shape"),
        (lambda x: nets.ssim_windows(x[..., :2], x[..., :2]), ValueError, "at least 3 x 3"),
        (lambda x: nets.appearance_loss(x, x, 2), ValueError, "alpha"),
        (lambda x: nets.appearance_loss(x, x, "much"), TypeError, "alpha"),
        (lambda x: nets.smoothness_loss(x, x), ValueError, "one value a pixel"),
        (lambda x: nets.smoothness_loss(x[:, :1], x[0]), ValueError, "one value a pixel"),
        (lambda x: nets.consistency_loss(x, x), ValueError, "one value a pixel"),
    ],
)
def test_wrong_shapes_are_refused(call, error, said):
    with pytest.raises(error, match=said):
        call(torch.rand(2, 3, 6, 7))

"""Part VII against compiled libraries: PSNR, SSIM and histogram equalisation.

    python tests/benchmarks/bench_generate.py [--repeats 15] [--only SSIM]

Equalisation lives in a cell of a notebook, from which ``bench_features.load`` takes it; form of the
table, clock and checks are those of ``bench_features.py``.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import skimage.exposure
import skimage.metrics
from bench_features import Row, conditions, load, near, options, photograph, print_table

from cvlab import metrics


def quality_rows(side: int) -> Iterator[Row]:
    """A photograph against itself with noise."""
    for name in ("camera", "astronaut"):
        clean = photograph(name, side)
        noise = np.random.default_rng(0).normal(0, 0.1, clean.shape)
        noisy = np.clip(clean + noise, 0, 1).astype(np.float32)
        shape = " x ".join(map(str, clean.shape))
        peers = {
            "OpenCV": lambda a=clean, b=noisy: cv2.PSNR(a, b, 1.0),
            "scikit-image": lambda a=clean, b=noisy: skimage.metrics.peak_signal_noise_ratio(
                a, b, data_range=1.0
            ),
        }
        for peer, theirs in peers.items():
            yield Row(
                f"PSNR, {shape}",
                peer,
                lambda a=clean, b=noisy: metrics.psnr(a, b),
                theirs,
                near(1e-3),
            )
        yield Row(
            f"SSIM, Gaussian window of 11, {shape}",
            "scikit-image",
            lambda a=clean, b=noisy: metrics.ssim(a, b),
            lambda a=clean, b=noisy: skimage.metrics.structural_similarity(
                a,
                b,
                data_range=1.0,
                gaussian_weights=True,
                use_sample_covariance=False,
                channel_axis=2 if a.ndim == 3 else None,
            ),
            near(1e-4),
        )


def equalise_rows(side: int) -> Iterator[Row]:
    """A dark photograph of bytes; halves may round either way."""
    chapter = load("25_autoencoders", "equalise-method")
    for name in ("camera", "grass"):
        image = np.rint(255 * photograph(name, side) ** 3).astype(np.uint8)
        least = np.mean(image == image.min())  # scikit-image does not send the darkest value to 0
        work = f"histogram equalisation, {name}, {' x '.join(map(str, image.shape))}"
        yield Row(
            work,
            "OpenCV",
            lambda i=image: chapter.equalise(i),
            lambda i=image: cv2.equalizeHist(i),
            lambda ours, theirs: near(1)(ours.astype(int), theirs),
        )
        yield Row(
            work,
            "scikit-image",
            lambda i=image: chapter.equalise(i),
            lambda i=image: skimage.exposure.equalize_hist(i),
            lambda ours, theirs, s=least: near(1)(ours, 255 * (theirs - s) / (1 - s)),
        )


def main() -> None:
    """Print the table."""
    asked = options(__doc__, side=(512, 16, "side of the photographs in pixels"))
    cv2.setNumThreads(1)
    packages = ("numpy", "scipy", "opencv-python-headless", "scikit-image")
    print(conditions(packages, asked.repeats, "images float32, bytes where equalised"), end="\n\n")
    print_table(
        (lambda: quality_rows(asked.side), lambda: equalise_rows(asked.side)),
        asked.only,
        asked.repeats,
    )


if __name__ == "__main__":
    main()

"""What Part VII measures images with, against compiled libraries: PSNR and SSIM.

    python tests/benchmarks/bench_generate.py [--repeats 15] [--only SSIM]

Form of the table, clock and checks are those of ``bench_features.py``.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import skimage.metrics
from bench_features import Row, conditions, near, options, photograph, print_table

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


def main() -> None:
    """Print the table."""
    asked = options(__doc__, side=(512, 16, "side of the photographs in pixels"))
    cv2.setNumThreads(1)
    packages = ("numpy", "scipy", "opencv-python-headless", "scikit-image")
    print(conditions(packages, asked.repeats, "images float32"), end="\n\n")
    print_table((lambda: quality_rows(asked.side),), asked.only, asked.repeats)


if __name__ == "__main__":
    main()

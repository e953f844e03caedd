"""Part VIII's attention in images against scikit-image: non-local means.

    python tests/benchmarks/bench_attention.py [--repeats 15] [--only means]

The teaching versions live in cells of notebooks, from which `bench_features.load` takes them; form
of the table, clock and checks are those of `bench_features.py`. scikit-image's slow setting takes
a line for the exponential and gives far patches no weight, so that both sides agree to a few
hundredths of a grey value only; chapter 28b copies the two short cuts and is then equal.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from bench_features import Row, conditions, load, options, print_table
from skimage.restoration import denoise_nl_means

from cvlab import data

SETTINGS = ((3, 3), (5, 5), (7, 6))  # side of a patch, reach of the window
NOISE = 0.1


def same(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Agreement up to scikit-image's short cuts."""
    return ours.shape == theirs.shape and float(np.abs(ours - theirs).max()) < 0.05


def means_rows(side: int) -> Iterator[Row]:
    """Non-local means of a photograph with noise, by patch and window."""
    chapter = load("28b_image_attention", "patches-method", "nlm-method", "window-method")
    rng = np.random.default_rng(0)
    image = data.photograph("camera", (side, side)).astype(float)
    noisy = image + NOISE * rng.normal(size=image.shape)
    for size, reach in SETTINGS:

        def ours(size=size, reach=reach):
            return chapter.non_local_means(noisy, 0.8 * NOISE, size, reach, NOISE)

        def theirs(size=size, reach=reach):
            return denoise_nl_means(
                noisy,
                patch_size=size,
                patch_distance=reach,
                h=0.8 * NOISE,
                sigma=NOISE,
                fast_mode=False,
            )

        work = f"non-local means, {side} x {side} pixels, patch {size}, reach {reach}"
        yield Row(work, "scikit-image", ours, theirs, same)


def main() -> None:
    """Print the table."""
    asked = options(__doc__, side=(128, 16, "of the photograph, in pixels"))
    print(conditions(("scikit-image",), asked.repeats, "double precision"), end="\n\n")
    print_table((lambda: means_rows(asked.side),), asked.only, asked.repeats)


if __name__ == "__main__":
    main()

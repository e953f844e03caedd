"""Hand-made features: filters, pyramids, gradients, HOG, visual words.

What the chapters on filtering, edges and visual words write from scratch, for the chapters after
them. NumPy only; an image is an array (H, W) or (H, W, C), x points right and y down.
``features.definitions`` says in a few lines each what the fast functions compute.

    >>> import numpy as np
    >>> from cvlab import features
    >>> features.gaussian_blur(np.array([[0, 0, 1, 0, 0]]), sigma=0.5).round(2)
    array([[0.  , 0.11, 0.79, 0.11, 0.  ]])
"""

from cvlab.features.clusters import KMeans, kmeans, nearest_centre
from cvlab.features.filters import (
    BORDERS,
    box_blur,
    convolve,
    correlate,
    correlate_separable,
    gaussian_blur,
    gaussian_kernel,
    integral_image,
    pad,
)
from cvlab.features.gradients import gradient_polar, hog, hog_cells, image_gradient
from cvlab.features.keypoints import difference_of_gaussians, dog_keypoints, harris_response
from cvlab.features.mixtures import GaussianMixture, fit_mixture, responsibilities
from cvlab.features.pyramids import (
    blend,
    collapse,
    gaussian_pyramid,
    laplacian_pyramid,
    pyramid_down,
    pyramid_up,
)
from cvlab.features.words import (
    bag_of_words,
    dense_patches,
    dense_sift,
    fisher_vector,
    spatial_pyramid,
    vlad,
)

__all__ = [
    "BORDERS",
    "GaussianMixture",
    "KMeans",
    "bag_of_words",
    "blend",
    "box_blur",
    "collapse",
    "convolve",
    "correlate",
    "correlate_separable",
    "dense_patches",
    "dense_sift",
    "difference_of_gaussians",
    "dog_keypoints",
    "fisher_vector",
    "fit_mixture",
    "gaussian_blur",
    "gaussian_kernel",
    "gaussian_pyramid",
    "gradient_polar",
    "harris_response",
    "hog",
    "hog_cells",
    "image_gradient",
    "integral_image",
    "kmeans",
    "laplacian_pyramid",
    "nearest_centre",
    "pad",
    "pyramid_down",
    "pyramid_up",
    "responsibilities",
    "spatial_pyramid",
    "vlad",
]

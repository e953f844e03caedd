"""Whether points lie in a thing of a rendered world, from its description alone."""

from __future__ import annotations

import numpy as np

from cvlab import geometry


def local(thing, points):
    """Points (.., 3) of the world in a thing's own frame."""
    return (points - np.array(thing.centre)) @ geometry.rotation(thing.yaw)


def inside(thing, points, margin=0.0):
    """Whether points (.., 3) lie in a thing that is smaller all around by a margin."""
    own = local(thing, points)
    if thing.shape == "ball":
        return np.linalg.norm(own, axis=-1) < thing.size[0] / 2 - margin
    return (np.abs(own) < np.array(thing.size) / 2 - margin).all(axis=-1)

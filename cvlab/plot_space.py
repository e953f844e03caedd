"""Figures of what is in space: disparities, flows, clouds; all are names of ``cvlab.plot``.

Each returns a matplotlib ``Figure`` for ``plot.show``; ``flow_colours`` returns a picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

__all__ = ["disparity", "flow_colours", "flow_wheel", "point_cloud"]

_UNKNOWN = 0.6  # grey


def disparity(values: ArrayLike, valid: ArrayLike | None = None, *, title: str = "") -> Figure:
    """Draw a disparity map, near in bright, unknown pixels in grey.

    Args:
        values: (H, W) disparities in pixels; non-finite ones count as unknown.
        valid: (H, W) booleans; all finite pixels by default.
        title: heading.

    Raises:
        ValueError: for another shape, or no valid pixel.
    """
    import matplotlib

    from cvlab.plot import figure

    field = np.asarray(values, dtype=float)
    if valid is not None and np.shape(valid) != field.shape:
        raise ValueError(f"valid is {np.shape(valid)} but the disparity map {field.shape}.")
    known = np.isfinite(field) if valid is None else np.asarray(valid, bool) & np.isfinite(field)
    if field.ndim != 2 or not known.any():
        raise ValueError("disparity needs an (H, W) map with at least one valid pixel.")
    fig, ax = figure(size=(4.6, 3.0))
    colours = matplotlib.colormaps["viridis"].with_extremes(bad="#999999")
    drawn = ax.imshow(np.ma.array(field, mask=~known), cmap=colours)
    ax.set_title(title)
    ax.set_axis_off()
    fig.colorbar(drawn, ax=ax, label="disparity (pixels)")
    return fig


def flow_colours(
    flow: ArrayLike, valid: ArrayLike | None = None, *, limit: float | None = None
) -> np.ndarray:
    """Return a flow as colours: the hue is its direction, white is no motion, grey is unknown.

    Red moves right, yellow-green down, cyan left, violet up.

    Args:
        flow: (H, W, 2) pixels, du to the right and dv down; non-finite ones count as unknown.
        valid: (H, W) booleans; all finite pixels by default.
        limit: length in pixels of the full colour; the longest known flow by default.

    Returns:
        (H, W, 3) in [0, 1].

    Raises:
        ValueError: for another shape, no known pixel, or a limit that is not positive.

    >>> flow_colours([[[1.0, 0.0], [0.0, 0.0], [np.nan, 0.0]]]).tolist()
    [[[1.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.6, 0.6, 0.6]]]
    """
    from matplotlib.colors import hsv_to_rgb

    field, known = _known_flow(flow, valid)
    length = np.hypot(field[..., 0], field[..., 1])
    full = _limit(length[known], limit)
    hue = np.arctan2(field[..., 1], field[..., 0]) / (2 * np.pi) % 1
    strength = np.minimum(length / full, 1)
    colours = hsv_to_rgb(np.stack([hue, strength, np.ones_like(hue)], axis=-1))
    colours[~known] = _UNKNOWN
    return colours


def flow_wheel(
    flow: ArrayLike,
    valid: ArrayLike | None = None,
    *,
    limit: float | None = None,
    title: str = "",
) -> Figure:
    """Draw a flow as ``flow_colours`` paints it, and beside it the wheel that says what they mean.

    Args:
        flow: (H, W, 2) pixels, du to the right and dv down; non-finite ones count as unknown.
        valid: (H, W) booleans; all finite pixels by default.
        limit: length in pixels of the full colour; the longest known flow by default.
        title: the finding.

    Raises:
        ValueError: for another shape, no known pixel, or a limit that is not positive.

    >>> flow_wheel(np.ones((4, 6, 2)), title="All move").axes[0].get_title()
    'All move'
    """
    from cvlab.plot import figure

    field, known = _known_flow(flow, valid)
    full = _limit(np.hypot(*field[known].T), limit)
    fig, (ax, legend) = figure(1, 2, size=(5.2, 3.0), width_ratios=(3.2, 1))
    ax.imshow(flow_colours(flow, valid, limit=full))
    ax.set_title(title)
    ax.set_axis_off()
    down, right = np.mgrid[-1:1:81j, -1:1:81j]
    wheel = np.stack([right, down], axis=-1)
    inside = np.hypot(right, down) <= 1
    picture = np.ones((81, 81, 4))  # transparent outside the wheel
    picture[..., :3], picture[..., 3] = flow_colours(wheel, limit=1), inside
    legend.imshow(picture, extent=(-1, 1, 1, -1))
    legend.set_title(f"{full:.3g} pixels\nat the rim", fontsize=9)
    legend.set_axis_off()
    return fig


def _known_flow(flow: ArrayLike, valid: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
    """Return a flow (H, W, 2), 0 where it is unknown, and where it is known."""
    field = np.asarray(flow, dtype=float)
    if field.ndim != 3 or field.shape[2] != 2:
        raise ValueError(f"a flow is (H, W, 2), du and dv in pixels, not {field.shape}.")
    known = np.isfinite(field).all(axis=2)
    if valid is not None:
        if np.shape(valid) != known.shape:
            raise ValueError(f"valid is {np.shape(valid)} but the flow {field.shape}.")
        known &= np.asarray(valid, bool)
    if not known.any():
        raise ValueError("a flow needs at least one known pixel.")
    return np.where(known[..., None], field, 0.0), known


def _limit(lengths: np.ndarray, limit: float | None) -> float:
    if limit is None:
        return float(lengths.max()) or 1.0
    if not 0 < limit < np.inf:
        raise ValueError(f"limit must be positive and finite, not {limit}.")
    return float(limit)


def point_cloud(
    points: ArrayLike,
    colours: ArrayLike | None = None,
    *,
    yaw: float = 25.0,
    pitch: float = -20.0,
    size: float = 8.0,
    title: str = "",
    ax: Axes | None = None,
) -> Figure:
    """Draw coloured points in space from one side, without perspective, near ones over far ones.

    Axes are the course's: x points right, y down, z away. At yaw and pitch 0 one looks along z.

    Args:
        points: (N, 3), or (H, W, 3) such as a scene's; those that are not finite are left out.
        colours: (N, 3) or (H, W, 3) in [0, 1], or (N,) values; by default the distance along z.
        yaw: degrees by which the viewer looks further to the right.
        pitch: degrees by which the viewer looks further up; negative looks down at the points.
        size: area of a point.
        title: the finding.
        ax: axes to draw into; a new figure by default.

    Raises:
        ValueError: for another shape, no finite point, or colours that fit the points not.

    >>> cloud = point_cloud([[0.0, 0, 1], [1, 0, 1], [0, 1, 2]], title="Three points")
    >>> len(cloud.axes[0].collections[0].get_offsets())
    3
    """
    from cvlab.plot import figure

    places, paint = _checked_cloud(points, colours)
    # `geometry.rotation`, but whoever plots need not depend on all of geometry.
    (cy, cp), (sy, sp) = np.cos(np.radians([yaw, pitch])), np.sin(np.radians([yaw, pitch]))
    eye = np.array([[cy, sy * sp, sy * cp], [0, cp, -sp], [-sy, cy * sp, cy * cp]])
    right, down, away = ((places - places.mean(axis=0)) @ eye).T
    order = np.argsort(-away, kind="stable")
    ax = ax if ax is not None else figure(size=(4.2, 3.6))[1]
    ramp = "viridis" if paint.ndim == 1 else None
    ax.scatter(right[order], -down[order], s=size, c=paint[order], cmap=ramp, linewidths=0)
    ax.set_aspect("equal")
    ax.set_title(title)
    ax.set_axis_off()
    return ax.figure


def _checked_cloud(points: ArrayLike, colours: ArrayLike | None) -> tuple[Any, Any]:
    """Return finite points (N, 3) and as many colours (N, 3) or values (N,)."""
    places = np.asarray(points, dtype=float)
    if places.ndim not in (2, 3) or places.shape[-1] != 3:
        raise ValueError(f"points are (N, 3) or (H, W, 3), not {places.shape}.")
    places = places.reshape(-1, 3)
    paint = places[:, 2] if colours is None else np.asarray(colours, dtype=float)
    if paint.ndim == 3:
        paint = paint.reshape(-1, paint.shape[2])
    if paint.shape not in ((len(places),), (len(places), 3)):
        raise ValueError(f"{len(places)} points need as many colours, not {np.shape(colours)}.")
    finite = np.isfinite(places).all(axis=1)
    if not finite.any():
        raise ValueError("a cloud needs at least one finite point.")
    places, paint = places[finite], paint[finite]
    if paint.ndim == 2 and not ((paint >= 0) & (paint <= 1)).all():
        raise ValueError("colours lie in [0, 1]; divide those of bytes by 255.")
    return places, paint

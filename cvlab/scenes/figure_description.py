"""The description of people of fourteen joints: what they are made of, without pixels.

A body consists of sixteen round-ended limbs in space (``PARTS``), each the points within a radius
of a segment between joints. Camera coordinates are metres: x right, y down, z away along the axis
of a level camera ``EYE`` metres above the ground. A person of yaw 0 faces the camera, so that the
*left* hand is at the right of the image; a positive yaw turns the left side away from the camera.

Examples:
    >>> person = figure(x=0.5)
    >>> person.joints[JOINTS.index("head")].round(2).tolist()
    [0.5, -0.65, 3.0]
    >>> [PARTS[k - 1] for k in JOINT_PARTS[JOINTS.index("left knee")]]
    ['left thigh', 'left shank']
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from cvlab._arguments import number

__all__ = [
    "ANGLES",
    "COLD",
    "EYE",
    "JOINTS",
    "JOINT_PARTS",
    "LIMBS",
    "MIRROR",
    "MOTIONS",
    "PARTS",
    "WALL",
    "WARM",
    "Person",
    "figure",
    "paint",
]

_PAIRS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
JOINTS: tuple[str, ...] = (
    "head",
    "neck",
    *(f"{side} {name}" for name in _PAIRS for side in ("left", "right")),
)
#: (parent, child) of the thirteen edges of the tree, parents first.
LIMBS: tuple[tuple[int, int], ...] = (
    (1, 0),
    *((1, 2 + side) for side in (0, 1)),
    *((joint, joint + 2) for joint in (2, 3, 4, 5)),
    *((1, 8 + side) for side in (0, 1)),
    *((joint, joint + 2) for joint in (8, 9, 10, 11)),
)
#: The joint of the other side; head and neck are their own.
MIRROR: tuple[int, ...] = (0, 1, *(joint ^ 1 for joint in range(2, 14)))
_SIDED = ("trunk", "upper arm", "forearm", "hand", "thigh", "shank", "foot")
#: Name of part k is ``PARTS[k - 1]``; 0 is the background.
PARTS: tuple[str, ...] = (
    "head",
    "neck",
    *(f"{side} {name}" for name in _SIDED for side in ("left", "right")),
)
MOTIONS: tuple[str, ...] = ("walk", "wave", "squat", "reach")
#: Metres: the depth where nobody is.
WALL = 6.0
#: Metres of the camera above the ground.
EYE = 0.95
#: Colours of the left and the right side of people whose sides differ.
WARM, COLD = (0.90, 0.45, 0.15), (0.20, 0.42, 0.85)


def _joint_parts() -> tuple[tuple[int, ...], ...]:
    number_of = {name: k + 1 for k, name in enumerate(PARTS)}
    meets = {
        "shoulder": ("trunk", "upper arm"),
        "elbow": ("upper arm", "forearm"),
        "wrist": ("forearm", "hand"),
        "hip": ("trunk", "thigh"),
        "knee": ("thigh", "shank"),
        "ankle": ("shank", "foot"),
    }
    found: list[tuple[int, ...]] = [(1,), (2, 3, 4)]
    for joint in JOINTS[2:]:
        side, name = joint.split()
        found.append(tuple(number_of[f"{side} {part}"] for part in meets[name]))
    return tuple(found)


#: Numbers of the parts that each joint belongs to.
JOINT_PARTS: tuple[tuple[int, ...], ...] = _joint_parts()


@dataclass(frozen=True, eq=False, slots=True)
class Person:
    """One person: joints in space and paint. Edit with ``dataclasses.replace`` and render.

    Attributes:
        joints: (14, 3) float64, camera coordinates in metres, in the order of ``JOINTS``.
        facing: (3,) unit vector that the toes point along.
        colours: (16, 3) in [0, 1], the paint of each part, in the order of ``PARTS``.
        build: Multiplies the radii of the limbs.
        sided: Whether left and right differ in colour: left sleeve and leg warm, right cold.
        yaw: Degrees; 0 faces the camera.
        motion: A name from ``MOTIONS``, or "" for a pose without a motion.
        phase: Radians within the motion, in [0, 2 pi).
    """

    joints: np.ndarray
    facing: np.ndarray
    colours: np.ndarray
    build: float = 1.0
    sided: bool = True
    yaw: float = 0.0
    motion: str = ""
    phase: float = 0.0


# --- Bodies ---------------------------------------------------------------------------------------

# Metres of a person of height 1.7, in a frame whose x is the person's left, y down, z backwards.
_NECK, _HEAD = 0.50, 0.20  # above the hips; above the neck
_SHOULDERS, _HIPS = 0.18, 0.10  # half widths
_DROP = 0.03  # of the shoulders below the neck
_UPPER_ARM, _FOREARM, _THIGH, _SHANK = 0.28, 0.25, 0.42, 0.42
_HAND, _FOOT, _SOLE = 0.09, 0.15, 0.06
_RADII = np.array([0.115, 0.05, *np.repeat([0.105, 0.052, 0.045, 0.042, 0.078, 0.058, 0.045], 2)])

#: Angles of a pose: forward swing and sideways lift of arms and legs, bend of elbows and knees, for
#: left and right; then the trunk's lean forward and to its left.
ANGLES = ("arm swing", "arm lift", "elbow", "leg swing", "leg lift", "knee")


def _swung(swing: np.ndarray, lift: np.ndarray, side: np.ndarray) -> np.ndarray:
    """(2, 3) directions of limbs that hang down, lifted sideways and then swung forward."""
    down = np.cos(lift)
    return np.stack([side * np.sin(lift), down * np.cos(swing), -down * np.sin(swing)], -1)


def _body(angles: np.ndarray, lean: float, tilt: float, height: float) -> np.ndarray:
    """(14, 3) joints in the person's frame, the lower ankle a sole above y = 0."""
    side = np.array([1.0, -1.0])
    swing, lift, elbow, step, spread, knee = angles
    joints = np.zeros((14, 3))
    joints[8:10, 0] = _HIPS * side
    trunk = np.zeros((14, 3))
    trunk[0, 1], trunk[1, 1] = -_NECK - _HEAD, -_NECK
    trunk[2:4, 0], trunk[2:4, 1] = _SHOULDERS * side, _DROP - _NECK
    trunk[4:6] = trunk[2:4] + _UPPER_ARM * _swung(swing, lift, side)
    trunk[6:8] = trunk[4:6] + _FOREARM * _swung(swing + elbow, lift, side)
    c, s, ct, st = math.cos(lean), math.sin(lean), math.cos(tilt), math.sin(tilt)
    lean_by = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    tilt_by = np.array([[ct, -st, 0], [st, ct, 0], [0, 0, 1]])
    joints[:8] = trunk[:8] @ (lean_by @ tilt_by).T
    joints[10:12] = joints[8:10] + _THIGH * _swung(step, spread, side)
    joints[12:14] = joints[10:12] + _SHANK * _swung(step - knee, spread, side)
    joints *= height / 1.7
    joints[:, 1] -= joints[12:14, 1].max() + _SOLE * height / 1.7
    return joints


def paint(
    skin: Any = (0.87, 0.68, 0.55),
    shirt: Any = (0.30, 0.55, 0.40),
    trousers: Any = (0.33, 0.33, 0.38),
    warm: Any = None,
    cold: Any = None,
) -> np.ndarray:
    """Return (16, 3) colours of the parts; ``warm`` and ``cold`` dye the left and right side.

    Examples:
        >>> paint(warm=(1, 0.5, 0), cold=(0, 0.5, 1))[PARTS.index("left thigh")].round(2).tolist()
        [0.7, 0.35, 0.0]
    """
    shoe = np.array([0.15, 0.12, 0.12])
    sleeves = [shirt if side is None else side for side in (warm, cold)]
    legs = [trousers if side is None else 0.7 * np.asarray(side) for side in (warm, cold)]
    return np.array(
        [skin, skin, shirt, shirt, *sleeves, *sleeves, skin, skin, *legs, *legs, shoe, shoe]
    )


def figure(
    angles: Any = None,
    *,
    x: float = 0.0,
    distance: float = 3.0,
    yaw: float = 0.0,
    lean: float = 0.0,
    tilt: float = 0.0,
    height: float = 1.7,
    colours: Any = None,
) -> Person:
    """Return a person who stands in a pose.

    Args:
        angles: (6, 2) degrees, rows ``ANGLES`` (forward swing and sideways lift of the arm, bend of
            the elbow, swing and lift of the leg, bend of the knee), columns left and right; None
            stands with hanging arms.
        x: Metres to the right of the camera's axis.
        distance: Metres from the camera, along its axis.
        yaw: Degrees; 0 faces the camera.
        lean: Degrees by which the trunk bends forward.
        tilt: Degrees by which it bends to its left.
        height: Metres.
        colours: (16, 3) colours of the parts, as ``paint`` gives them; None dyes the sides.

    Raises:
        TypeError: For a number that is none.
        ValueError: For another shape, values that are not finite, or a height or distance that is
            not positive.

    Examples:
        >>> person = figure()
        >>> person.joints[JOINTS.index("left wrist")].round(2).tolist()  # at the right, 0.84 m up
        [0.23, 0.11, 3.0]
    """
    pose = np.zeros((6, 2)) if angles is None else np.asarray(angles, np.float64)
    if angles is None:
        pose[1] = 5.0
    if pose.shape != (6, 2) or not np.isfinite(pose).all():
        raise ValueError(f"angles must be (6, 2) and finite, not {pose.shape}.")
    height, distance = number(height, "height", 0.1), number(distance, "distance", 0.5)
    x, yaw, lean, tilt = (
        number(value, name, -math.inf)
        for value, name in ((x, "x"), (yaw, "yaw"), (lean, "lean"), (tilt, "tilt"))
    )
    colours = paint(warm=WARM, cold=COLD) if colours is None else np.asarray(colours, np.float64)
    if colours.shape != (len(PARTS), 3) or not ((colours >= 0) & (colours <= 1)).all():
        raise ValueError(f"colours must be ({len(PARTS)}, 3) in [0, 1].")
    c, s = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
    turn = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    joints = _body(np.radians(pose), math.radians(lean), math.radians(tilt), height)
    return Person(
        joints=joints @ turn.T + [x, EYE, distance],
        facing=turn @ [0.0, 0.0, -1.0],
        colours=colours,
        build=height / 1.7,
        sided=bool((colours[4] != colours[5]).any()),
        yaw=yaw,
    )

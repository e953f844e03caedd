"""The description of a world: things on a textured ground before a wall, and the camera that looks.

Lengths are metres, angles degrees. In the world x points right, y *down* and z away from the
camera's usual place; the ground is the plane y = 0, so that the height of a point is -y. A thing
stands upright on the ground or on another thing and is turned by its yaw alone. A camera has a
world-to-camera rotation R and translation t, and pixels whose centres are integers, as in
``cvlab.geometry``.

Examples:
    >>> camera = Camera.at((0, -1.5, 0), pitch=-10)
    >>> camera.height, camera.width, camera.K[0].tolist()
    (48, 64, [60.0, 0.0, 31.5])
    >>> world = World(objects=(Thing("ball", z=4.0, size=(1.0, 1.0, 1.0)),), camera=camera)
    >>> world.objects[0].centre
    (0.0, -0.5, 4.0)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from cvlab import geometry
from cvlab.scenes._arguments import integer
from cvlab.scenes.description import Colour, check_paint
from cvlab.scenes.textures import TEXTURES

__all__ = ["THINGS", "Camera", "Sun", "Surface", "Thing", "World", "check_world"]

THINGS: tuple[str, ...] = ("card", "box", "ball")
NEAR = 0.05  # metres: nothing may be nearer to a camera


@dataclass(frozen=True, eq=False, slots=True)
class Camera:
    """Where an image is taken from.

    Attributes:
        K: (3, 3) float64, upper triangular: focal lengths and principal point in pixels.
        R: (3, 3) float64, rotation from the world to the camera.
        t: (3,) float64, the world's origin in camera coordinates.
        height: Rows of the image.
        width: Columns of the image.
    """

    K: np.ndarray
    R: np.ndarray
    t: np.ndarray
    height: int = 48
    width: int = 64

    @classmethod
    def at(
        cls,
        position: tuple[float, float, float] = (0.0, -1.5, 0.0),
        *,
        yaw: float = 0.0,
        pitch: float = 0.0,
        roll: float = 0.0,
        focal: float = 60.0,
        height: int = 48,
        width: int = 64,
    ) -> Camera:
        """Place a camera: its position in the world, its angles, its focal length in pixels.

        The angles are those of ``geometry.rotation``; a negative pitch looks down. The principal
        point is the middle of the image.
        """
        R = geometry.rotation(yaw, pitch, roll).T
        K = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1.0]])
        return cls(K, R, -R @ np.asarray(position, np.float64), height, width)

    @property
    def position(self) -> np.ndarray:
        """(3,) where it stands in the world."""
        return -self.R.T @ self.t

    @property
    def heading(self) -> float:
        """Yaw of its axis in the world, degrees to the right of z."""
        return math.degrees(math.atan2(self.R[2, 0], self.R[2, 2]))

    @property
    def tilt(self) -> np.ndarray:
        """(3, 3), from a level camera of the same heading to this one: its pitch and roll."""
        return self.R @ geometry.rotation(self.heading)

    def resized(self, height: int, width: int) -> Camera:
        """The same view with other pixels: each image shows the same part of the world."""
        scale = np.diag([width / self.width, height / self.height, 1.0])
        half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])  # centres to edges
        K = np.linalg.inv(half) @ scale @ half @ self.K
        return replace(self, K=K, height=height, width=width)

    def moved(self, right: float = 0.0, down: float = 0.0, forward: float = 0.0) -> Camera:
        """The same camera, moved along its own axes by metres."""
        return replace(self, t=self.t - np.array([right, down, forward], np.float64))


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing of the world.

    Attributes:
        shape: A name from ``THINGS``. A card is a thin box, a ball has three equal sizes.
        x: Where the middle of its foot stands.
        y: Height of its foot with a minus sign; 0 on the ground.
        z: Where the middle of its foot stands.
        size: Width, height and length along its own x, y and z axis.
        yaw: Degrees to the right; at 0 its width lies along the world's x.
        colour: Red, green, blue in [0, 1], before the light.
        texture: A name from ``TEXTURES``.
        second: The texture's other colour.
        period: Metres of one texture period.
        phase: Where the texture starts along both axes of a face, in periods.
        on: Place in ``World.objects`` of what it stands on, -1 for the ground.
    """

    shape: str
    x: float = 0.0
    y: float = 0.0
    z: float = 4.0
    size: tuple[float, float, float] = (1.0, 1.0, 1.0)
    yaw: float = 0.0
    colour: Colour = (0.86, 0.27, 0.27)
    texture: str = "flat"
    second: Colour = (1.0, 1.0, 1.0)
    period: float = 0.4
    phase: tuple[float, float] = (0.0, 0.0)
    on: int = -1

    @property
    def centre(self) -> tuple[float, float, float]:
        """Its middle, in the world."""
        return (self.x, self.y - self.size[1] / 2, self.z)


@dataclass(frozen=True, slots=True)
class Surface:
    """The paint of the ground or of the wall; the colours and the texture of a ``Thing``."""

    colour: Colour = (0.66, 0.62, 0.55)
    texture: str = "checks"
    second: Colour = (0.52, 0.48, 0.43)
    period: float = 1.0
    phase: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Sun:
    """The light: a surface of normal n shows ``albedo * (ambient + (1 - ambient) max(n . s, 0))``.

    Attributes:
        direction: Towards the sun, in the world; of any length but 0.
        ambient: Share of the light that comes from everywhere, in [0, 1].
        gain: Multiplies the image.
        tint: Red is multiplied by 1 + tint and blue by 1 - tint as well.
    """

    direction: tuple[float, float, float] = (-0.4, -0.8, -0.5)
    ambient: float = 0.45
    gain: float = 1.0
    tint: float = 0.0


@dataclass(frozen=True, slots=True)
class World:
    """Everything a world consists of, without pixels: the one source of every output.

    Attributes:
        objects: The things.
        ground: Paint of the plane y = 0, along x and z.
        wall: Paint of the back wall, along its own horizontal and y.
        wall_distance: z of the wall above the world's origin line x = 0.
        wall_yaw: Degrees by which it is turned about the vertical there; within +-60.
        sun: The light.
        noise: Standard deviation of the Gaussian noise on every value.
        seed: Seeds the noise.
        camera: The camera that looks where ``render_world`` is given no other.
    """

    objects: tuple[Thing, ...] = ()
    ground: Surface = Surface()
    wall: Surface = Surface(colour=(0.80, 0.83, 0.86), texture="stripes", second=(0.74, 0.76, 0.80))
    wall_distance: float = 8.0
    wall_yaw: float = 0.0
    sun: Sun = Sun()
    noise: float = 0.0
    seed: int = 0
    camera: Camera = field(default_factory=Camera.at)


def check_world(world: World, camera: Camera) -> None:
    """Refuse a world or a camera that cannot be drawn.

    Raises:
        TypeError: For a camera or a world of another type, and an image size that is no integer.
        ValueError: For an unknown shape or texture, a size or period that is not positive, a colour
            outside [0, 1], a number that is not finite, a rotation that is none, a camera under
            the ground, behind the wall or inside a thing.
    """
    if not isinstance(world, World) or not isinstance(camera, Camera):
        raise TypeError("render_world takes a World and a Camera.")
    for thing in world.objects:
        if thing.shape not in THINGS or min(thing.size) <= 0:
            raise ValueError(
                f"A thing needs a shape from {THINGS} and positive sizes, not {thing.shape!r} "
                f"and {thing.size}."
            )
        if thing.shape == "ball" and len(set(thing.size)) > 1:
            raise ValueError(f"A ball needs three equal sizes, not {thing.size}.")
    for part in (*world.objects, world.ground, world.wall):
        if part.texture not in TEXTURES or not part.period > 0:
            raise ValueError(
                f"A surface needs a texture from {TEXTURES} and a positive period, not "
                f"{part.texture!r} and {part.period}."
            )
        check_paint(part)
    sun = world.sun
    numbers = [*sun.direction, sun.gain, sun.tint, world.wall_distance, world.wall_yaw]
    for thing in world.objects:
        numbers += [thing.x, thing.y, thing.z, *thing.size, thing.yaw, thing.period, *thing.phase]
    if not all(map(math.isfinite, numbers)):
        raise ValueError("Every number of a world must be finite; one is NaN or infinite.")
    if not any(sun.direction) or not 0 <= sun.ambient <= 1 or sun.gain < 0:
        raise ValueError("The sun needs a direction, ambient light in [0, 1] and a gain of 0 up.")
    if not 0 <= world.noise < math.inf or abs(world.wall_yaw) > 60:
        raise ValueError("Noise must be finite and 0 or more, the wall's yaw within 60 degrees.")
    _check_camera(world, camera)


def _check_camera(world: World, camera: Camera) -> None:
    integer(camera.height, "height", 2, 4096)
    integer(camera.width, "width", 2, 4096)
    for name, shape in (("K", (3, 3)), ("R", (3, 3)), ("t", (3,))):
        array = np.asarray(getattr(camera, name))
        if array.shape != shape or not np.isfinite(array).all():
            raise ValueError(f"A camera's {name} must be {shape} and finite.")
    K, R = camera.K, camera.R
    if not (abs(R @ R.T - np.eye(3)).max() < 1e-6 and np.linalg.det(R) > 0):
        raise ValueError("A camera's R must be a rotation.")
    if not (K[0, 0] > 0 and K[1, 1] > 0 and K[2, 2] == 1 and not np.tril(K, -1).any()):
        raise ValueError("A camera's K must be upper triangular with positive focal lengths.")
    place = camera.position
    turn = math.radians(world.wall_yaw)
    before = (world.wall_distance - place[2]) * math.cos(turn) - place[0] * math.sin(turn)
    if place[1] > -NEAR or before < NEAR:
        raise ValueError("A camera must stand above the ground and in front of the wall.")
    place = place.tolist()
    for number, thing in enumerate(world.objects):
        x, y, z = (a - b for a, b in zip(place, thing.centre, strict=True))
        cosine, sine = math.cos(math.radians(thing.yaw)), math.sin(math.radians(thing.yaw))
        local = cosine * x - sine * z, y, sine * x + cosine * z
        if all(abs(a) < side / 2 + NEAR for a, side in zip(local, thing.size, strict=True)):
            raise ValueError(f"The camera stands inside thing {number}.")

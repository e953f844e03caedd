"""The twenty objects: what they are made of, and how they are painted.

They share six palettes, so that a histogram of colours confuses some of them: the same red and
white make the lighthouse, the mushroom, the gift and the ball; the same blue and white the mug, the
teapot and the rocket; green the bottle, the cactus and the tree; honey the duck, the bee and the
crate; berry the lamp, the cake and the book; ink and ivory the die, the football and the panda; the
globe stands between blue and green. Each looks different from each side.

``body`` moves an object's middle to the origin and scales it so that it just fits into the unit
sphere: whatever the viewpoint, it lies inside the unit circle of the image.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import combinations

import numpy as np

from cvlab.scenes.modelling import (
    Body,
    Colour,
    ball,
    directions,
    fit,
    half_space,
    near,
    odd,
    part,
    pick,
    wash,
)
from cvlab.scenes.solids import Faceted, Paint, Part, Surface, Turned

__all__ = ["OBJECTS", "PALETTES", "body"]

RED, WHITE, ROSE = (0.80, 0.14, 0.15), (0.94, 0.93, 0.90), (0.95, 0.55, 0.45)
BLUE, SKY_BLUE, NAVY = (0.13, 0.28, 0.63), (0.47, 0.72, 0.90), (0.08, 0.13, 0.30)
GREEN, LIME, CREAM = (0.13, 0.43, 0.24), (0.60, 0.77, 0.28), (0.95, 0.90, 0.74)
YELLOW, ORANGE, BROWN = (0.97, 0.78, 0.18), (0.91, 0.48, 0.12), (0.40, 0.24, 0.13)
PURPLE, PINK, LILAC = (0.40, 0.20, 0.55), (0.92, 0.50, 0.65), (0.78, 0.68, 0.88)
INK, IVORY, GREY = (0.12, 0.12, 0.14), (0.94, 0.92, 0.85), (0.55, 0.55, 0.57)

PALETTES: dict[str, tuple[Colour, ...]] = {
    "signal": (RED, WHITE, ROSE),
    "china": (BLUE, WHITE, SKY_BLUE),
    "leaf": (GREEN, LIME, CREAM),
    "honey": (YELLOW, ORANGE, BROWN),
    "berry": (PURPLE, PINK, LILAC),
    "ink": (INK, IVORY, GREY),
}


# --- Signal: red and white ------------------------------------------------------------------------


def _lighthouse() -> list[Part]:
    def tower(s: Surface) -> np.ndarray:
        turn, front = s.turn, np.abs(s.turn) < 0.09
        stripes = odd(s.z / 0.40 + 2 * turn)  # they wind once around it
        door = front & (s.z < 0.34)
        window = (np.abs(turn - 0.04) < 0.05) & (np.abs(s.z - 0.90) < 0.10)
        window |= (np.abs(turn + 0.30) < 0.05) & (np.abs(s.z - 1.30) < 0.10)
        return pick(np.where(door | window, 2, stripes), RED, WHITE, INK)

    def lantern(s: Surface) -> np.ndarray:
        return pick(np.abs(s.turn * 8 - np.round(s.turn * 8)) < 0.10, YELLOW, INK)

    return [
        part(Turned.cylinder(0.72, -0.10, 0.0), GREY),
        part(Turned.frustum(0.52, 0.34, 0, 1.80), tower),
        part(Turned.cylinder(0.48, 1.80, 1.88), RED),
        part(Turned.cylinder(0.25, 1.88, 2.16), lantern),
        part(Turned.frustum(0.38, 0.0, 2.16, 2.48), RED),
    ]


_MUSHROOM_DOTS = directions(
    (-8, 30), (52, 14), (48, 60), (-62, 22), (-70, 62), (120, 24), (150, 58), (178, 18), (-125, 30)
)


def _mushroom() -> list[Part]:
    def cap(s: Surface) -> np.ndarray:
        dots = near(s, _MUSHROOM_DOTS) > 0.965
        gills = odd(s.turn * 40)
        return np.where((s.side < 0)[:, None], pick(gills, WHITE, ROSE), pick(dots, RED, WHITE))

    def stem(s: Surface) -> np.ndarray:
        smile = (np.abs(np.hypot(s.x, s.z - 0.40) - 0.16) < 0.035) & (s.z < 0.34) & (s.y < 0)
        eyes = (np.hypot(np.abs(s.x) - 0.16, s.z - 0.48) < 0.06) & (s.y < 0)
        return pick(smile | eyes, WHITE, INK)

    return [
        part(Turned.frustum(0.52, 0.38, 0, 1.05), stem),
        part(Turned.ball(0.0, 1.0), cap, (0, 0, 0.92), stretch=(0.98, 0.98, 0.80)),
    ]


def _gift() -> list[Part]:
    def paper(s: Surface) -> np.ndarray:
        ribbon = np.where(s.side < 4, np.minimum(np.abs(s.x), np.abs(s.y)) < 0.14, 0)
        ribbon = np.where(s.side >= 4, (np.abs(s.x) < 0.14) | (np.abs(s.y) < 0.14), ribbon)
        along = np.where(s.side < 2, s.y, s.x)
        dots = np.hypot((along * 3.3) % 1 - 0.5, (s.z * 3.3) % 1 - 0.5) < 0.24
        slanted = odd((along + s.z) * 4.5)
        checks = odd(along * 3.5) ^ odd(s.z * 3.5)
        level = odd(s.z * 7)
        pattern = np.select([s.side == k for k in range(4)], [slanted, checks, level, dots], 0)
        return pick(np.where(ribbon, 1, np.where(pattern, 2, 0)), RED, WHITE, ROSE)

    def lid(s: Surface) -> np.ndarray:
        ribbon = np.minimum(np.abs(s.x), np.abs(s.y)) < 0.14
        return pick(ribbon, RED, WHITE)

    bow = (0.34, 0.17, 0.16)
    return [
        part(Faceted.box(0.70, 0.70, 0.52), paper, (0, 0, 0.52)),
        part(Faceted.box(0.76, 0.76, 0.12), lid, (0, 0, 1.10)),
        ball(WHITE, (-0.27, 0, 1.36), bow, spin=12),
        ball(WHITE, (0.27, 0, 1.36), bow, spin=-12),
        ball(ROSE, (0, 0, 1.34), 0.13),
    ]


def _beach_ball() -> list[Part]:
    def gores(s: Surface) -> np.ndarray:
        sector = np.floor((s.turn + 0.5) * 6).astype(np.int32) % 6
        colour = np.array([0, 1, 2, 1, 0, 3])[sector]
        return pick(np.where(np.abs(s.z) > 0.94, 1, colour), RED, WHITE, ROSE, YELLOW)

    return [ball(gores, (0, 0, 1), 1.0, axis=(0.35, -0.45, 1))]


# --- China: blue and white ------------------------------------------------------------------------


def _mug() -> list[Part]:
    def china(s: Surface) -> np.ndarray:
        if s.cut:
            return pick(s.z < 0.3, WHITE, SKY_BLUE)
        bands = (np.abs(s.z - 0.14) < 0.08) | (np.abs(s.z - 1.34) < 0.08)
        turn = s.turn
        # Three waves run around it, and a sun stands at the front.
        sun = np.hypot(turn * 3.9, s.z - 0.74)
        rays = (
            (sun > 0.30)
            & (sun < 0.42)
            & odd(np.arctan2(s.z - 0.74, turn * 3.9) * 3.82).astype(bool)
        )
        back = (np.abs(turn) > 0.17) & (odd((s.z + 0.06 * np.sin(turn * 50)) * 5) == 1)
        blue = bands | (sun < 0.24) | rays | (back & ~bands & (s.z > 0.28) & (s.z < 1.2))
        return pick(np.where(blue & (s.side == 0), 1, 0), WHITE, BLUE)

    handle = [Turned.cylinder(0.44, -0.11, 0.11), half_space(-1, 0, 0, -0.05)]
    return [
        part(Turned.cylinder(0.62, 0, 1.48), china, cut=Turned.cylinder(0.54, 0.12, 1.60)),
        part(handle, BLUE, (0.57, 0, 0.76), axis=(0, -1, 0), cut=Turned.cylinder(0.29, -1, 1)),
    ]


_TEAPOT_FLOWERS = directions(
    (-20, 2),
    (22, 22),
    (30, -22),
    (-58, 26),
    (-62, -16),
    (150, 10),
    (-160, -20),
    (-150, 28),
    (135, -25),
)


def _teapot() -> list[Part]:
    def china(s: Surface) -> np.ndarray:
        cosine = near(s, _TEAPOT_FLOWERS)
        flower = np.where(cosine > 0.990, 2, np.where(cosine > 0.957, 1, 0))
        band = np.abs(s.z - 0.62) < 0.05
        return pick(np.where(band, 1, flower), WHITE, BLUE, SKY_BLUE)

    handle = [Turned.cylinder(0.42, -0.09, 0.09), half_space(1, 0, 0, 0.10)]
    return [
        part(Turned.ball(-0.82, 1.0), china, (0, 0, 0.64), stretch=(0.82, 0.82, 0.70)),
        part(Turned.cylinder(0.46, 0, 0.10), BLUE),
        part(Turned.ball(0.0, 1.0), BLUE, (0, 0, 1.22), stretch=(0.40, 0.40, 0.16)),
        ball(WHITE, (0, 0, 1.46), 0.12),
        part(Turned.frustum(0.25, 0.11, 0, 0.86), WHITE, (0.52, 0, 0.42), axis=(0.85, 0, 0.75)),
        part(handle, BLUE, (-0.78, 0, 0.72), axis=(0, -1, 0), cut=Turned.cylinder(0.28, -1, 1)),
    ]


def _rocket() -> list[Part]:
    def hull(s: Surface) -> np.ndarray:
        front = s.y < 0
        hole = np.hypot(s.x, (s.z - 0.30) * 1.5)
        letters = (np.abs(s.x) < 0.16) & (odd((s.z + 0.6) * 8) == 1) & (s.z < -0.1) & (s.z > -0.6)
        code = np.where(s.z > 0.62, 1, np.where(np.abs(s.z + 0.68) < 0.06, 1, 0))
        code = np.where(front & (hole < 0.62), 1, code)
        code = np.where(front & (hole < 0.42), 2, code)
        code = np.where(~front & letters, 1, code)
        return pick(code, WHITE, BLUE, SKY_BLUE)

    fin = Faceted(
        ((0, 1, 0), (0, -1, 0), (0, 0, -1), (-1, 0, 0), (0.75, 0, 0.66), (1, 0, 0)),
        (0.05, 0.05, 0.0, 0.0, 0.80, 0.80),
    )
    fins = [part(fin, BLUE if k else SKY_BLUE, (0, 0, 0.10), spin=120 * k - 60) for k in range(3)]
    return [
        part(Turned.ball(-0.82, 1.0), hull, (0, 0, 1.12), stretch=(0.50, 0.50, 1.12)),
        part(Turned.frustum(0.26, 0.32, 0.0, 0.22), INK),
        *fins,
    ]


def _globe() -> list[Part]:
    def earth(s: Surface) -> np.ndarray:
        wave = wash(s)
        land = np.where(wave > 0.22, 2, np.where(wave > -0.06, 1, 0))
        return pick(np.where(np.abs(s.z) > 0.93, 3, land), BLUE, GREEN, LIME, WHITE)

    ring = [Turned.cylinder(1.05, -0.05, 0.05)]
    tilt = (0.40, 0, 0.92)
    return [
        part(Turned.frustum(0.55, 0.40, 0, 0.16), BROWN),
        part(Turned.cylinder(0.10, 0.16, 0.42), BROWN),
        ball(earth, (0, 0, 1.30), 0.86, axis=tilt),
        part(
            [*ring, half_space(0.40, 0.92, 0, 0.10)],
            ORANGE,
            (0, 0, 1.30),
            axis=(0, -1, 0),
            cut=Turned.cylinder(0.92, -1, 1),
        ),
    ]


# --- Leaf: green, lime and cream ------------------------------------------------------------------


def _bottle() -> list[Part]:
    def glass(s: Surface) -> np.ndarray:
        turn = s.turn
        label = (np.abs(turn) < 0.30) & (s.z > 0.30) & (s.z < 1.00) & (s.side == 0)
        stripe = (np.abs(s.z - 0.42) < 0.04) | (np.abs(s.z - 0.88) < 0.04)
        leaf = np.abs(np.abs(turn * 5) - 0.0) + np.abs(s.z - 0.65) * 1.8 < 0.30
        code = np.where(label, np.where(stripe | leaf, 1, 2), 0)
        return pick(code, GREEN, LIME, CREAM)

    return [
        part(Turned.cylinder(0.48, 0, 1.15), glass),
        part(Turned.ball(0.0, 1.0), GREEN, (0, 0, 1.15), stretch=(0.48, 0.48, 0.40)),
        part(Turned.frustum(0.21, 0.16, 1.40, 2.10), GREEN),
        part(Turned.cylinder(0.20, 1.86, 2.16), CREAM),
        part(Turned.cylinder(0.215, 1.70, 1.80), LIME),
    ]


def _cactus() -> list[Part]:
    def ribs(s: Surface) -> np.ndarray:
        spine = (s.turn * 14) % 1
        thorn = (np.abs(spine - 0.5) < 0.14) & (odd(s.z * 11) == 1)
        return pick(np.where(thorn, 2, spine < 0.25), GREEN, LIME, CREAM)

    def pot(s: Surface) -> np.ndarray:
        zigzag = np.abs((s.turn * 9) % 1 - 0.5) * 0.5 + 0.08
        return pick(np.abs(s.z - 0.06 - zigzag) < 0.06, CREAM, GREEN)

    return [
        part(Turned.frustum(0.40, 0.56, 0, 0.56), pot),
        part(Turned.cylinder(0.62, 0.56, 0.70), CREAM),
        ball(ribs, (0, 0, 1.30), (0.38, 0.38, 0.84)),
        ball(ribs, (0.44, 0.0, 1.18), (0.36, 0.15, 0.15), spin=0),
        ball(ribs, (0.70, 0.0, 1.44), (0.17, 0.17, 0.36)),
        ball(ribs, (-0.40, -0.10, 1.40), (0.32, 0.14, 0.14)),
        ball(ribs, (-0.62, -0.10, 1.58), (0.15, 0.15, 0.28)),
        ball(PINK, (0.05, -0.04, 2.13), (0.18, 0.18, 0.13)),
    ]


def _tree() -> list[Part]:
    def boughs(phase: float) -> Paint:
        def paint(s: Surface) -> np.ndarray:
            turn = s.turn
            winding = (s.z * 2.2 - turn + phase) % 1
            lamp = np.hypot(((turn * 7 + phase) % 1 - 0.5), (s.z * 3.2 + phase) % 1 - 0.5) < 0.26
            code = np.where(winding < 0.16, 1, np.where(lamp & (winding > 0.22), 2, 0))
            return pick(np.where(s.side, 3, code), GREEN, LIME, CREAM, (0.07, 0.24, 0.14))

        return paint

    return [
        part(Turned.cylinder(0.17, 0, 0.40), BROWN),
        part(Turned.frustum(0.86, 0.18, 0.34, 1.20), boughs(0.1)),
        part(Turned.frustum(0.66, 0.12, 0.88, 1.68), boughs(0.45)),
        part(Turned.frustum(0.46, 0.0, 1.38, 2.16), boughs(0.8)),
        ball(YELLOW, (0, 0, 2.20), 0.11),
    ]


# --- Honey: yellow, orange and brown --------------------------------------------------------------


def _duck() -> list[Part]:
    def head(s: Surface) -> np.ndarray:
        eyes = near(s, directions((-38, 22), (38, 22)))
        return pick(np.where(eyes > 0.985, 2, eyes > 0.96), YELLOW, WHITE, INK)

    def feathers(s: Surface) -> np.ndarray:
        edge = np.abs(np.hypot(s.y + 0.1, s.z) - 0.62) < 0.10
        return pick(edge | (np.abs(np.hypot(s.y + 0.1, s.z) - 0.25) < 0.09), YELLOW, ORANGE)

    return [
        part(Turned.ball(-0.75, 1.0), YELLOW, (0, 0.12, 0.50), stretch=(0.66, 0.86, 0.56)),
        part(Turned.frustum(0.30, 0.04, 0, 0.52), YELLOW, (0, 0.72, 0.62), axis=(0, 0.75, 0.65)),
        ball(feathers, (-0.60, 0.18, 0.62), (0.14, 0.48, 0.26)),
        ball(feathers, (0.60, 0.18, 0.62), (0.14, 0.48, 0.26)),
        ball(head, (0, -0.44, 1.20), 0.47),
        ball(ORANGE, (0, -0.90, 1.10), (0.24, 0.24, 0.09)),
    ]


def _bee() -> list[Part]:
    def body(s: Surface) -> np.ndarray:
        # The body lies along its own z axis, which points back.
        stripes = (np.floor((s.z + 1) * 3.2).astype(np.int32) & 1) == 1
        return pick(stripes, YELLOW, BROWN)

    def head(s: Surface) -> np.ndarray:
        eyes = near(s, directions((-34, 12), (34, 12)))
        return pick(np.where(eyes > 0.988, 2, eyes > 0.94), BROWN, WHITE, INK)

    def wing(s: Surface) -> np.ndarray:
        return pick(np.hypot(s.x, s.y) > 0.78, CREAM, ORANGE)

    feelers = [
        part(
            Turned.cylinder(0.04, 0, 0.42), BROWN, (side * 0.14, -0.78, 0.92), axis=(side, -0.6, 2)
        )
        for side in (-0.5, 0.5)
    ]
    return [
        ball(body, (0, 0.18, 0.60), (0.56, 0.56, 0.86), axis=(0, 1, 0.0)),
        ball(head, (0, -0.68, 0.68), 0.38),
        ball(wing, (-0.42, 0.20, 1.22), (0.46, 0.30, 0.05), axis=(0.7, 0, 1)),
        ball(wing, (0.42, 0.20, 1.22), (0.46, 0.30, 0.05), axis=(-0.7, 0, 1)),
        part(Turned.frustum(0.13, 0.0, 0, 0.26), BROWN, (0, 0.98, 0.60), axis=(0, 1, 0)),
        *feelers,
    ]


def _crate() -> list[Part]:
    def wood(s: Surface) -> np.ndarray:
        across = np.where(s.side < 2, s.y, s.x)
        up = np.where(s.side < 4, s.z, s.y)
        frame = np.maximum(np.abs(across), np.abs(up)) > 0.62
        falling, rising, level = (np.abs(v) < 0.15 for v in (up + across, up - across, up))
        brace = np.select(
            [s.side == k for k in (0, 1, 3)], [falling | rising, level, rising], False
        )
        planks = (up * 2.4 + 0.5) % 1 < 0.13
        grain = np.sin(9 * across + 26 * up + 3 * np.sin(5 * across)) > 0.72
        code = np.where(frame | brace, 1, np.where(planks, 2, np.where(grain, 1, 0)))
        stencil = (s.side == 2) & (np.hypot(across, up) < 0.36) & (np.hypot(across, up) > 0.2)
        return pick(np.where(stencil, 2, code), YELLOW, ORANGE, BROWN)

    return [part(Faceted.box(0.80, 0.80, 0.80), wood, (0, 0, 0.80))]


# --- Berry: purple, pink and lilac ----------------------------------------------------------------


def _lamp() -> list[Part]:
    def shade(s: Surface) -> np.ndarray:
        if s.cut:
            return pick(np.zeros(len(s.x), int), CREAM)
        turn = s.turn
        flower = np.hypot((turn * 6) % 1 - 0.5, (s.z - 1.62) * 2.2) < 0.30
        hem = (s.z < 1.30) | (s.z > 1.97)
        fan = odd((turn + 1) * 24) & (np.abs(turn) > 0.25)
        return pick(np.where(hem | flower, 1, np.where(fan, 2, 0)), PINK, PURPLE, LILAC)

    return [
        part(Turned.frustum(0.50, 0.40, 0, 0.12), PURPLE),
        part(Turned.cylinder(0.07, 0.12, 1.95), LILAC),
        ball(PINK, (0, 0, 0.42), (0.26, 0.26, 0.32)),
        ball(PURPLE, (0, 0, 0.86), (0.17, 0.17, 0.17)),
        part(
            Turned.frustum(0.80, 0.42, 1.18, 2.08), shade, cut=Turned.frustum(0.82, 0.36, 1.10, 2.2)
        ),
    ]


def _cake() -> list[Part]:
    def sponge(s: Surface) -> np.ndarray:
        if s.cut:
            return pick(np.floor(s.z * 6.2).astype(int) & 1, CREAM, PINK)
        drip = s.z > 0.60 - 0.13 * np.abs(np.sin(s.turn * 28))
        dots = np.hypot((s.turn * 16) % 1 - 0.5, (s.z - 0.22) * 4) < 0.30
        code = np.where(drip | (s.side == 1), 0, np.where(dots, 1, 2))
        swirl = odd(np.hypot(s.x, s.y) * 5 + s.turn) & (s.side == 1)
        return pick(np.where(swirl, 2, code), PINK, PURPLE, LILAC)

    slice_out = Faceted(((-0.97, 0.26, 0), (0.26, 0.97, 0)), (0.0, -0.0))
    berries = [
        ball(PURPLE, (0.56 * np.sin(a), 0.56 * np.cos(a), 0.86), 0.11)
        for a in np.radians([-75, -25, 25, 75, 130, 200])
    ]
    return [
        part(Turned.cylinder(1.0, -0.08, 0.0), WHITE),
        part(Turned.cylinder(0.82, 0.0, 0.78), sponge, cut=slice_out),
        *berries,
        part(Turned.cylinder(0.05, 0.78, 1.20), LILAC, (-0.08, 0.12, 0)),
        ball(YELLOW, (-0.08, 0.12, 1.28), (0.06, 0.06, 0.11)),
    ]


def _book() -> list[Part]:
    def cover(s: Surface) -> np.ndarray:
        border = (np.abs(np.abs(s.x) - 0.46) < 0.05) & (np.abs(s.z) < 0.79)
        border |= (np.abs(np.abs(s.z) - 0.74) < 0.05) & (np.abs(s.x) < 0.51)
        moon = (np.hypot(s.x, s.z - 0.1) < 0.30) & (np.hypot(s.x - 0.13, s.z - 0.2) > 0.26)
        title = (np.abs(s.x) < 0.3) & (np.abs(s.z + 0.42) < 0.13) & (odd(s.z * 11 + 0.4) == 1)
        front = np.where(border, 2, np.where(moon | title, 1, 0))
        back = np.where(border, 2, odd((s.x + s.z) * 6) * 2)
        spine = np.where(np.abs(np.abs(s.z) - 0.55) < 0.09, 1, 0)
        code = np.where(s.side == 3, front, np.where(s.side == 2, back, spine))
        return pick(code, PURPLE, PINK, LILAC)

    def pages(s: Surface) -> np.ndarray:
        return pick(odd(s.y * 22), WHITE, LILAC)

    lean, board = (0.0, 0.16, 1.0), Faceted.box(0.64, 0.25, 0.90)
    return [
        part(board, cover, axis=lean, spin=180, cut=Faceted.box(0.66, 0.18, 1)),
        part(Faceted.box(0.60, 0.18, 0.84), pages, axis=lean, spin=180),
        part(Faceted.box(0.05, 0.25, 0.90), cover, (-0.62, 0, 0), axis=lean, spin=180),
    ]


# --- Ink: black and ivory -------------------------------------------------------------------------

_PIPS = {
    0: ((-0.4, -0.4), (0.0, 0.0), (0.4, 0.4)),
    1: ((-0.4, -0.4), (-0.4, 0.4), (0.4, -0.4), (0.4, 0.4)),
    2: ((-0.4, -0.4), (-0.4, 0), (-0.4, 0.4), (0.4, -0.4), (0.4, 0), (0.4, 0.4)),
    3: ((0.0, 0.0),),
    4: ((-0.4, -0.4), (-0.4, 0.4), (0.0, 0.0), (0.4, -0.4), (0.4, 0.4)),
    5: ((-0.35, 0.0), (0.35, 0.0)),
}


def _die() -> list[Part]:
    def pips(s: Surface) -> np.ndarray:
        u, v = np.where(s.side < 2, s.y, s.x), np.where(s.side < 4, s.z, s.y)
        code = np.zeros(len(u), int)
        for side, places in _PIPS.items():
            radius = 0.27 if len(places) == 1 else 0.17
            for place_u, place_v in places:
                there = np.hypot(u - place_u, v - place_v) < radius
                code |= there & (s.side == side)
        return pick(code, IVORY, INK)

    edges = Turned(-1.0, 0.0, 1.17**2, -2.0, 2.0)
    return [part([Faceted.box(0.86, 0.86, 0.86), edges], pips, (0, 0, 0.86))]


def _icosahedron() -> np.ndarray:
    golden = (1 + 5**0.5) / 2
    corners = [(0, i, j * golden) for i in (-1, 1) for j in (-1, 1)]
    corners = [np.roll(corner, k) for corner in corners for k in range(3)]
    return np.array(corners, np.float32) / np.float32(np.hypot(1, golden))


# The axes of the panels: six through the middles of two pentagons, ten through those of hexagons,
# which are the faces of the icosahedron that the pentagons' middles span.
_CORNERS = _icosahedron()
_PENTAGONS = _CORNERS[[k for k in range(12) if tuple(_CORNERS[k]) > (0, 0, 0)]]
_HEXAGONS = np.array(
    [
        _CORNERS[[i, j, k]].sum(axis=0) / np.linalg.norm(_CORNERS[[i, j, k]].sum(axis=0))
        for i, j, k in combinations(range(12), 3)
        if min(_CORNERS[i] @ _CORNERS[j], _CORNERS[j] @ _CORNERS[k], _CORNERS[k] @ _CORNERS[i]) > 0
    ]
)
_HEXAGONS = _HEXAGONS[[tuple(axis.round(6)) > (0, 0, 0) for axis in _HEXAGONS]]


def _football() -> list[Part]:
    def leather(s: Surface) -> np.ndarray:
        points = np.stack([s.x, s.y, s.z])
        # A panel's plane: a hexagon's lies nearer to the middle than a pentagon's.
        black = np.abs(_PENTAGONS @ points).max(axis=0) * 0.9755
        first = second = np.zeros_like(s.x)
        for height in np.abs(_HEXAGONS @ points):
            second = np.maximum(second, np.minimum(first, height))
            first = np.maximum(first, height)
        seam = first - np.maximum(second, black) < 0.028
        badge = (np.hypot(s.x - 0.42, s.z - 0.1) < 0.12) & (s.y < 0)
        return pick(np.where(black > first, 1, np.where(seam | badge, 2, 0)), IVORY, INK, GREY)

    return [ball(leather, (0, 0, 1), 1.0, axis=(0.2, -0.3, 1))]


def _panda() -> list[Part]:
    def face(s: Surface) -> np.ndarray:
        patches = near(s, directions((-30, 6), (30, 6))) > 0.955
        pupils = near(s, directions((-27, 8), (27, 8))) > 0.993
        nose = near(s, directions((0, -12))) > 0.985
        return pick(np.where(pupils, 2, patches | nose), IVORY, INK, WHITE)

    def tummy(s: Surface) -> np.ndarray:
        return pick(s.z > 0.48, IVORY, INK)

    limb = (0.20, 0.20, 0.40)
    return [
        part(Turned.ball(-0.85, 1), tummy, (0, 0, 0.62), stretch=(0.62, 0.56, 0.72)),
        ball(face, (0, -0.06, 1.50), (0.56, 0.52, 0.50)),
        ball(INK, (-0.42, 0.02, 1.92), 0.19),
        ball(INK, (0.42, 0.02, 1.92), 0.19),
        ball(INK, (-0.56, -0.22, 0.82), limb, axis=(-0.5, -0.5, -0.9)),
        ball(INK, (0.56, -0.22, 0.82), limb, axis=(0.5, -0.5, -0.9)),
        ball(INK, (-0.36, -0.48, 0.20), (0.23, 0.34, 0.22)),
        ball(INK, (0.36, -0.48, 0.20), (0.23, 0.34, 0.22)),
        ball(IVORY, (0, 0.58, 0.34), 0.13),
    ]


# --- The catalogue --------------------------------------------------------------------------------

_BUILDERS: dict[str, Callable[[], list[Part]]] = {
    "lighthouse": _lighthouse,
    "mushroom": _mushroom,
    "gift": _gift,
    "beach ball": _beach_ball,
    "mug": _mug,
    "teapot": _teapot,
    "rocket": _rocket,
    "globe": _globe,
    "bottle": _bottle,
    "cactus": _cactus,
    "tree": _tree,
    "duck": _duck,
    "bee": _bee,
    "crate": _crate,
    "lamp": _lamp,
    "cake": _cake,
    "book": _book,
    "die": _die,
    "football": _football,
    "panda": _panda,
}
OBJECTS: tuple[str, ...] = tuple(_BUILDERS)


@cache
def body(identity: int) -> Body:
    """Build an object; the twenty are built once.

    Examples:
        >>> len(body(OBJECTS.index("mug")).parts)
        2
    """
    return fit(_BUILDERS[OBJECTS[identity]]())

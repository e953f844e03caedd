"""The colours that things may have, by the names that sentences give them."""

from __future__ import annotations

from cvlab.scenes.description import Colour

__all__ = ["COLOUR_NAMES"]

COLOUR_NAMES: dict[str, Colour] = {
    "red": (0.85, 0.25, 0.26),
    "orange": (0.94, 0.53, 0.18),
    "yellow": (0.96, 0.79, 0.27),
    "lime": (0.60, 0.76, 0.28),
    "green": (0.22, 0.58, 0.36),
    "teal": (0.14, 0.60, 0.61),
    "cyan": (0.36, 0.69, 0.90),
    "blue": (0.22, 0.40, 0.80),
    "purple": (0.52, 0.35, 0.75),
    "pink": (0.82, 0.37, 0.65),
    "brown": (0.57, 0.38, 0.26),
    "white": (0.96, 0.94, 0.89),
    "black": (0.17, 0.19, 0.26),
}

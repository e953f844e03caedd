"""Procedural images with exact labels: scenes of flat shapes, and views of textured objects.

``sample`` draws random scenes of ten classes of flat shapes with boxes and masks for each (module
``shapes``). ``view`` and ``views`` photograph twenty textured solid objects on a turntable under a
controlled viewpoint, scale, light, clutter and occlusion (module ``objects``). Both are
deterministic, need NumPy only, and say in their module's text what each setting does, in units.

Modules: ``shapes`` holds the flat scenes; ``objects`` the views, made of the ray caster in
``solids`` and the twenty objects in ``catalogue``.
"""

from cvlab.scenes.catalogue import OBJECTS
from cvlab.scenes.objects import View, Views, view, views
from cvlab.scenes.shapes import (
    BASE_RADIUS,
    CLASSES,
    MAX_CLUTTER,
    MAX_OBJECTS,
    MAX_SIZE,
    MIN_SIZE,
    NOISE_SIGMA,
    TEXTURES,
    Background,
    Description,
    Light,
    Object,
    Scene,
    Scenes,
    describe,
    render,
    sample,
)

__all__ = [
    "BASE_RADIUS",
    "CLASSES",
    "MAX_CLUTTER",
    "MAX_OBJECTS",
    "MAX_SIZE",
    "MIN_SIZE",
    "NOISE_SIGMA",
    "OBJECTS",
    "TEXTURES",
    "Background",
    "Description",
    "Light",
    "Object",
    "Scene",
    "Scenes",
    "View",
    "Views",
    "describe",
    "render",
    "sample",
    "view",
    "views",
]

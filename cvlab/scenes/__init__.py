"""Procedural images with exact labels: scenes of flat shapes, and views of textured objects.

``sample`` draws random scenes of ten classes of flat shapes with boxes and masks for each (module
``sampling``). ``view`` and ``views`` photograph twenty textured solid objects on a turntable under
a controlled viewpoint, scale, light, clutter and occlusion (module ``objects``). Both are
deterministic, need NumPy only, and say in their module's text what each setting does, in units.

Flat scenes: ``outlines`` and ``textures`` are what shapes look like, ``description`` says what a
scene consists of, ``renderer`` draws it and knows what is true of the image, ``sampling`` draws
descriptions at random. Views: ``objects`` takes them, with the ray caster in ``solids``;
``catalogue`` holds the twenty objects, made with the tools of ``modelling``.
"""

from cvlab.scenes.catalogue import OBJECTS
from cvlab.scenes.description import BASE_RADIUS, Background, Description, Light, Object
from cvlab.scenes.objects import View, Views, view, views
from cvlab.scenes.outlines import CLASSES
from cvlab.scenes.renderer import MAX_SIZE, MIN_SIZE, Scene, Scenes, render
from cvlab.scenes.sampling import MAX_CLUTTER, MAX_OBJECTS, NOISE_SIGMA, describe, sample
from cvlab.scenes.textures import TEXTURES

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

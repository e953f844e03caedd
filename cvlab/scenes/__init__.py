"""Procedural images with exact labels: flat shapes, views of textured objects, worlds in depth.

``sample`` draws random scenes of ten classes of flat shapes with boxes and masks for each (module
``sampling``). ``view`` and ``views`` photograph twenty textured solid objects on a turntable under
a controlled viewpoint, scale, light, clutter and occlusion (module ``objects``). ``sample_world``
draws things on a ground before a wall as a camera sees them, with depth, normals and boxes in space
(module ``world``); ``sample_pairs`` shows them to two cameras side by side, with disparities and
occlusions (module ``pairs``), ``sample_motion`` at two moments, with flow (module ``motion``).
``sample_figures`` draws people with joints and body parts (module ``figures``). ``sample_avatars``
draws people by identity as several cameras see them, ``place_avatars`` scenes of them,
``avatar_heads`` turned heads with landmarks (modules ``avatars`` and ``avatar_heads``).
``landmark_views`` photographs facades and posters by instance, with the homography of every view
(module ``landmarks``, pictures in ``facades``). All are deterministic, need NumPy only, and say in
their module's text what each setting does, in units.

Flat scenes: ``outlines`` and ``textures`` are what shapes look like, ``description`` says what a
scene consists of, ``renderer`` draws it and knows what is true of the image, ``sampling`` draws
descriptions at random. Views: ``objects`` takes them, with the ray caster in ``solids``;
``catalogue`` holds the twenty objects, made with the tools of ``modelling``. Worlds:
``world_description`` says what one consists of, ``world_renderer`` draws it, ``world`` draws
descriptions at random. People: likewise ``figure_description``, ``figure_renderer``, ``figures``;
by identity: ``avatar_painter`` knows what they look like, ``avatars`` draws views at random.
Sentences about flat scenes and worlds: ``language``. Without a picture: ``crowds`` lets pedestrians
walk, ``sample_crowds``. Handwriting: ``sample_characters`` invents alphabets of stroke programs and
draws them (module ``alphabets``).
"""

from cvlab.scenes.alphabets import MAX_STROKES, Characters, draw, sample_characters
from cvlab.scenes.avatar_heads import HEAD_AXES, HEAD_MARKS, AvatarHeads, avatar_heads
from cvlab.scenes.avatar_painter import (
    AVATAR_PARTS,
    BACKGROUNDS,
    BAGS,
    HAIR_STYLES,
    LOWERS,
    PATTERNS,
)
from cvlab.scenes.avatars import Avatars, AvatarScenes, place_avatars, sample_avatars
from cvlab.scenes.catalogue import OBJECTS
from cvlab.scenes.crowds import (
    CROWD_SIDE,
    CROWD_STEP,
    HEAD_LEAD,
    WALLS,
    Crowds,
    in_walls,
    sample_crowds,
)
from cvlab.scenes.description import BASE_RADIUS, Background, Description, Light, Object
from cvlab.scenes.facades import KINDS as FACADE_KINDS
from cvlab.scenes.facades import facade
from cvlab.scenes.figure_description import (
    ANGLES,
    JOINT_PARTS,
    JOINTS,
    LIMBS,
    MIRROR,
    MOTIONS,
    PARTS,
    Person,
    figure,
)
from cvlab.scenes.figure_renderer import Figures, figure_camera, render_figures
from cvlab.scenes.figures import describe_figures, sample_figures
from cvlab.scenes.landmarks import LandmarkViews, landmark_views
from cvlab.scenes.language import (
    INVERSE,
    QUESTIONS,
    SLOTS,
    TEXTURE_WORDS,
    Question,
    caption,
    captions,
    phrase,
    phrases,
    questions,
    relations,
    slots,
)
from cvlab.scenes.motion import Motion, sample_motion
from cvlab.scenes.objects import View, Views, view, views
from cvlab.scenes.outlines import CLASSES
from cvlab.scenes.pairs import MAX_BASELINE, Pairs, sample_pairs
from cvlab.scenes.palette import COLOUR_NAMES
from cvlab.scenes.renderer import MAX_SIZE, MIN_SIZE, Scene, Scenes, render
from cvlab.scenes.sampling import MAX_CLUTTER, MAX_OBJECTS, NOISE_SIGMA, describe, sample
from cvlab.scenes.textures import TEXTURES
from cvlab.scenes.world import MAX_THINGS, describe_world, sample_world
from cvlab.scenes.world_description import THINGS, Camera, Sun, Surface, Thing, World
from cvlab.scenes.world_renderer import (
    RELATIONS,
    WorldScene,
    WorldScenes,
    relation,
    render_world,
    render_worlds,
)

__all__ = [
    "ANGLES",
    "AVATAR_PARTS",
    "BACKGROUNDS",
    "BAGS",
    "BASE_RADIUS",
    "CLASSES",
    "COLOUR_NAMES",
    "CROWD_SIDE",
    "CROWD_STEP",
    "FACADE_KINDS",
    "HAIR_STYLES",
    "HEAD_AXES",
    "HEAD_LEAD",
    "HEAD_MARKS",
    "INVERSE",
    "JOINTS",
    "JOINT_PARTS",
    "LIMBS",
    "LOWERS",
    "MAX_BASELINE",
    "MAX_CLUTTER",
    "MAX_OBJECTS",
    "MAX_SIZE",
    "MAX_STROKES",
    "MAX_THINGS",
    "MIN_SIZE",
    "MIRROR",
    "MOTIONS",
    "NOISE_SIGMA",
    "OBJECTS",
    "PARTS",
    "PATTERNS",
    "QUESTIONS",
    "RELATIONS",
    "SLOTS",
    "TEXTURES",
    "TEXTURE_WORDS",
    "THINGS",
    "WALLS",
    "AvatarHeads",
    "AvatarScenes",
    "Avatars",
    "Background",
    "Camera",
    "Characters",
    "Crowds",
    "Description",
    "Figures",
    "LandmarkViews",
    "Light",
    "Motion",
    "Object",
    "Pairs",
    "Person",
    "Question",
    "Scene",
    "Scenes",
    "Sun",
    "Surface",
    "Thing",
    "View",
    "Views",
    "World",
    "WorldScene",
    "WorldScenes",
    "avatar_heads",
    "caption",
    "captions",
    "describe",
    "describe_figures",
    "describe_world",
    "draw",
    "facade",
    "figure",
    "figure_camera",
    "in_walls",
    "landmark_views",
    "phrase",
    "phrases",
    "place_avatars",
    "questions",
    "relation",
    "relations",
    "render",
    "render_figures",
    "render_world",
    "render_worlds",
    "sample",
    "sample_avatars",
    "sample_characters",
    "sample_crowds",
    "sample_figures",
    "sample_motion",
    "sample_pairs",
    "sample_world",
    "slots",
    "view",
    "views",
]

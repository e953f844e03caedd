"""Real image data behind one type: sets that ship with the dependencies, and full ones.

The embedded sets need no network: ``digits``, ``photograph``, ``photographs``, ``faces``,
``stereo_motorcycle``, and the two-dimensional point sets ``rings``, ``moons`` and ``blobs``.

The full sets (``mnist``, ``cifar10``, ``voc_detection``, ...) are those of torchvision. They lie
in the folder ``root``; without it in the folder named by the environment variable ``CVLAB_DATA``;
without that in the user's cache. What is missing is downloaded on first use, after one line that
says how much and from where; within ``offline()`` it is not. What cannot be had raises
``DatasetUnavailable``, which says what to do instead.

No file is trusted because it exists. A download lies aside until it is whole and its checksum
agrees. An archive is compared with torchvision's checksum before it is unpacked; then the size and
CRC-32 of each of its files are recorded beside it, and compared again before that file is decoded.
A truncated or altered file is removed, and fetched again where that is possible.

Two are no image data: ``course_text`` is the prose of this course, for chapters on language, and
``two_stage_rows`` hands the scores of one chapter's detectors to the next.

Modules: ``dataset`` holds the type, ``embedded`` and ``full`` one function a set, ``files`` what
is done to files, the table ``full_sets.csv`` what is said about each full set, ``course`` the
prose, and ``detectors`` the scores.
"""

from cvlab.data.course import ProseChapter, course_text
from cvlab.data.dataset import Dataset
from cvlab.data.detectors import DetectorRow, two_stage_rows
from cvlab.data.embedded import (
    MOTORCYCLE_CALIBRATION,
    PHOTOGRAPHS,
    StereoPair,
    blobs,
    digits,
    faces,
    moons,
    photograph,
    photographs,
    rings,
    stereo_motorcycle,
)
from cvlab.data.files import DatasetUnavailable, offline
from cvlab.data.full import (
    celeba,
    cifar10,
    cifar100,
    cityscapes,
    coco_captions,
    coco_detection,
    fashion_mnist,
    imagenet,
    kitti,
    kitti_flow,
    kitti_stereo,
    lfw,
    mnist,
    omniglot,
    voc_detection,
    voc_segmentation,
)

__all__ = [
    "MOTORCYCLE_CALIBRATION",
    "PHOTOGRAPHS",
    "Dataset",
    "DatasetUnavailable",
    "DetectorRow",
    "ProseChapter",
    "StereoPair",
    "blobs",
    "celeba",
    "cifar10",
    "cifar100",
    "cityscapes",
    "coco_captions",
    "coco_detection",
    "course_text",
    "digits",
    "faces",
    "fashion_mnist",
    "imagenet",
    "kitti",
    "kitti_flow",
    "kitti_stereo",
    "lfw",
    "mnist",
    "moons",
    "offline",
    "omniglot",
    "photograph",
    "photographs",
    "rings",
    "stereo_motorcycle",
    "two_stage_rows",
    "voc_detection",
    "voc_segmentation",
]

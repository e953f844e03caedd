"""The full sets of torchvision, one function each; ``full_sets.csv`` says what each one is.

Every function takes ``split``, and the folder of the data as ``root`` (None for ``CVLAB_DATA`` or
the cache). It raises ``ValueError`` if there is no such split, ``TypeError`` if ``root`` is no path
and ``DatasetUnavailable`` if a file is neither here nor to be had. Archives are verified by
torchvision's checksums, unless the docstring says that it has none. Samples that lie in files come
in the order of the files' names.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cvlab.data import files
from cvlab.data.dataset import Dataset, from_arrays, unit_image
from cvlab.data.files import CARDS, File, data_folder, obtain

Root = str | os.PathLike[str] | None

VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)
KITTI_CLASSES = ("Car", "Van", "Truck", "Pedestrian", "Person_sitting", "Cyclist", "Tram", "Misc")
COCO_SERVER = "http://images.cocodataset.org/"


def _objects(
    boxes: Sequence[Sequence[float]], labels: Sequence[int], **more: Any
) -> dict[str, np.ndarray]:
    return {"boxes": _boxes(boxes), "labels": np.array(labels, dtype=np.int64), **more}


def _boxes(boxes: Sequence[Sequence[float]]) -> np.ndarray:
    return np.asarray(boxes, dtype=np.float32).reshape(-1, 4)


def _mask(mask: Any, table: np.ndarray | None = None) -> np.ndarray:
    mask = np.asarray(mask).astype(np.int64)
    return mask if table is None else table[mask]


# --- Images of one class -------------------------------------------------------------------------


def mnist(split: str = "train", root: Root = None) -> Dataset:
    """MNIST: 70,000 handwritten digits of 28 x 28 pixels, 12 MB.

    Source: Y. LeCun et al., "Gradient-based learning applied to document recognition", Proc. IEEE
    1998.

    Args:
        split: "train" (60,000) or "test" (10,000).
        root: the folder of the data; None for ``CVLAB_DATA`` or the cache.

    Raises:
        ValueError: if there is no such split.
        DatasetUnavailable: if it is neither here nor to be had.

    >>> mnist(split="validation")
    Traceback (most recent call last):
    ValueError: mnist has no split 'validation'; choose train or test.
    """
    return _mnist_family("mnist", "MNIST", split, root)


def fashion_mnist(split: str = "train", root: Root = None) -> Dataset:
    """Fashion-MNIST: 70,000 articles of clothing of 28 x 28 pixels, 31 MB.

    Arguments and errors are those of ``mnist``. Source: H. Xiao et al.,
    "Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms", 2017.

    >>> fashion_mnist(split="validation")
    Traceback (most recent call last):
    ValueError: fashion_mnist has no split 'validation'; choose train or test.
    """
    return _mnist_family("fashion_mnist", "FashionMNIST", split, root)


def _mnist_family(name: str, torchvision_name: str, split: str, root: Root) -> Dataset:
    from torchvision import datasets

    card = CARDS[name]
    root = data_folder(card, split, root)
    family = getattr(datasets, torchvision_name)
    raw = root / torchvision_name / "raw"
    archives = []
    for archive, md5 in family.resources:
        urls = [mirror + archive for mirror in family.mirrors]
        # Kept, because only the archive has a checksum that torchvision knows.
        contents = {raw / Path(archive).stem: None}
        archives.append(File(raw / archive, md5, urls, raw, contents, kept=True))
    obtain(card, archives)
    source = family(str(root), train=split == "train")
    names = family.classes if name == "fashion_mnist" else [str(k) for k in range(10)]
    return from_arrays(card, names, source.data.numpy(), source.targets.numpy())


def cifar10(split: str = "train", root: Root = None) -> Dataset:
    """CIFAR-10: 60,000 colour images of 32 x 32 pixels in ten classes, 170 MB.

    Splits: "train" (50,000) and "test" (10,000). Arguments and errors are those of ``mnist``.
    Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009.

    >>> cifar10(split="validation")
    Traceback (most recent call last):
    ValueError: cifar10 has no split 'validation'; choose train or test.
    """
    return _cifar_family("cifar10", "CIFAR10", split, root)


def cifar100(split: str = "train", root: Root = None) -> Dataset:
    """CIFAR-100: 60,000 colour images of 32 x 32 pixels in 100 fine classes, 169 MB.

    Source, arguments and errors are those of ``cifar10``.

    >>> cifar100(split="validation")
    Traceback (most recent call last):
    ValueError: cifar100 has no split 'validation'; choose train or test.
    """
    return _cifar_family("cifar100", "CIFAR100", split, root)


def _cifar_family(name: str, torchvision_name: str, split: str, root: Root) -> Dataset:
    from torchvision import datasets

    card = CARDS[name]
    root = data_folder(card, split, root)
    family = getattr(datasets, torchvision_name)
    meta = (family.meta["filename"], family.meta["md5"])
    # The batches are pickles, which run code when read: each has its own checksum.
    batches = (*family.train_list, *family.test_list, meta)
    contents = {root / family.base_folder / batch: md5 for batch, md5 in batches}
    obtain(card, [File(root / family.filename, family.tgz_md5, [family.url], root, contents)])
    source = family(str(root), train=split == "train")
    return from_arrays(card, source.classes, source.data, np.asarray(source.targets))


def omniglot(split: str = "train", root: Root = None) -> Dataset:
    """Omniglot: 1,623 characters of 50 alphabets, 20 drawings each, 105 x 105 pixels, 16 MB.

    A class is a character, named "Alphabet/character01". Splits: "train" (the 964 background
    characters) and "test" (the 659 evaluation ones). Arguments and errors are those of ``mnist``.
    Source: B. Lake et al., "Human-level concept learning through probabilistic program
    induction", Science 2015.

    >>> omniglot(split="validation")
    Traceback (most recent call last):
    ValueError: omniglot has no split 'validation'; choose train or test.
    """
    from torchvision.datasets import Omniglot

    card = CARDS["omniglot"]
    root = data_folder(card, split, root)
    name = "images_background" if split == "train" else "images_evaluation"
    folder = root / Omniglot.folder
    urls = [f"{Omniglot.download_url_prefix}/{name}.zip"]
    archive = File(folder / f"{name}.zip", Omniglot.zips_md5[name], urls, folder, kept=True)
    recorded = obtain(card, [archive])
    source = Omniglot(str(root), background=split == "train")
    names = sorted(source._characters)
    table = [names.index(character) for character in source._characters]
    drawings = source._flat_character_images
    paths = [(str(folder / name / source._characters[k] / file),) for file, k in drawings]
    labels = [table[k] for _, k in drawings]
    return files.from_files(card, names, source, paths, table.__getitem__, recorded, labels)


def lfw(split: str = "train", root: Root = None) -> Dataset:
    """Labelled Faces in the Wild, funnelled: 13,233 faces of 5,749 people, 250 x 250 pixels.

    Splits: "train" (4,038 people), "test" (1,711 others) and "10fold" (all people). Its host no
    longer offers the 243 MB, so the files are placed by hand. Arguments and errors are those of
    ``mnist``. Source: G. Huang et al., "Labeled Faces in the Wild", UMass report 07-49, 2007.

    >>> lfw(split="validation")
    Traceback (most recent call last):
    ValueError: lfw has no split 'validation'; choose train or test or 10fold.
    """
    from torchvision.datasets import LFWPeople

    card = CARDS["lfw"]
    root = data_folder(card, split, root)
    folder = root / LFWPeople.base_folder
    _, archive, md5 = LFWPeople.file_dict["funneled"]
    lists = (f"people{LFWPeople.annot_file[split]}.txt", LFWPeople.names)
    wanted = [File(folder / archive, md5, into=folder, kept=True)]
    wanted += [File(folder / name, LFWPeople.checksums[name]) for name in lists]
    recorded = obtain(card, wanted)
    source = LFWPeople(str(root), split=split, image_set="funneled")
    paths = [(path,) for path in source.data]
    return files.from_files(card, source.class_to_idx, source, paths, int, recorded, source.targets)


def imagenet(split: str = "val", root: Root = None) -> Dataset:
    """ImageNet 2012: 1,000 classes; 50,000 images in "val" (6.7 GB), 1,281,167 in "train" (148 GB).

    Its terms demand a registration, so you place the devkit and the split's archive by hand, in
    the folder ``imagenet`` below the root. The images have no checksums; they are only tried for
    decoding. Arguments and errors are those of ``mnist``. Source: O. Russakovsky et al.,
    "ImageNet large scale visual recognition challenge", IJCV 2015.

    >>> imagenet(split="test")
    Traceback (most recent call last):
    ValueError: imagenet has no split 'test'; choose train or val.
    """
    from torchvision.datasets import ImageNet
    from torchvision.datasets.imagenet import ARCHIVE_META

    card = CARDS["imagenet"]
    folder = data_folder(card, split, root) / "imagenet"
    parts = ("devkit", split)
    archives = [ARCHIVE_META[part][0] for part in parts]
    with files.explained(card, files.by_hand(card, archives, folder)):
        for part in parts:
            files.unpack_imagenet(folder, part)
        source = ImageNet(str(folder), split)
    names = [", ".join(words) for words in source.classes]
    paths = [(path,) for path, _ in source.imgs]
    return files.from_files(card, names, source, paths, int, {}, source.targets)


def celeba(split: str = "train", root: Root = None) -> Dataset:
    """CelebA, aligned: 202,599 faces of celebrities, 218 x 178 pixels, 1.4 GB.

    The target is a dict: ``attributes`` (40,) bool, named by ``class_names``; ``identity`` int;
    ``landmarks`` (5, 2) float32 xy in pixels (eyes, nose, corners of the mouth). Splits: "train"
    (162,770), "valid" (19,867) and "test" (19,962). Its host limits downloads by a daily quota, so
    the files are placed by hand. Arguments and errors are those of ``mnist``. Source: Z. Liu et
    al., "Deep learning face attributes in the wild", ICCV 2015.

    >>> celeba(split="validation")
    Traceback (most recent call last):
    ValueError: celeba has no split 'validation'; choose train or valid or test.
    """
    from torchvision.datasets import CelebA

    card = CARDS["celeba"]
    root = data_folder(card, split, root)
    folder = root / CelebA.base_folder
    images = folder / "img_align_celeba"
    wanted = []
    for _, md5, name in CelebA.file_list:
        into = folder if name.endswith(".zip") else None
        wanted.append(File(folder / name, md5, into=into, contents={images: None}))
    recorded = obtain(card, wanted)
    source = CelebA(str(root), split, target_type=["attr", "identity", "landmarks"])
    paths = [(str(images / name),) for name in source.filename]
    # The header ends in a blank, which torchvision takes for one more name.
    names = [name for name in source.attr_names if name]
    return files.from_files(card, names, source, paths, _celeba_target, recorded)


def _celeba_target(parts: tuple[Any, Any, Any]) -> dict[str, Any]:
    attributes, identity, landmarks = parts
    return {
        "attributes": attributes.numpy().astype(bool),
        "identity": int(identity),
        "landmarks": landmarks.numpy().astype(np.float32).reshape(5, 2),
    }


# --- Boxes, masks and captions -------------------------------------------------------------------


def voc_detection(split: str = "train", root: Root = None, year: str = "2012") -> Dataset:
    """Pascal VOC detection: photographs with the boxes of 20 classes, 2.0 GB (2007: 0.5 GB).

    The target is a dict: ``boxes`` (N, 4) float32 xyxy from pixel edge to pixel edge, counted from
    0; ``labels`` (N,) int64; ``difficult`` (N,) bool, the objects that the score ignores. ``year``
    is "2007" or "2012". Splits: "train", "val", "trainval"; also "test" for 2007. Arguments and
    errors are those of ``mnist``. Source: M. Everingham et al., "The Pascal Visual Object Classes
    (VOC) challenge", IJCV 2010.

    >>> voc_detection(split="test")
    Traceback (most recent call last):
    ValueError: voc_detection has no split 'test'; choose train or val or trainval.
    """
    return _voc_family("voc_detection", "VOCDetection", split, root, year)


def voc_segmentation(split: str = "train", root: Root = None, year: str = "2012") -> Dataset:
    """Pascal VOC segmentation: photographs with a class for each pixel, in the same archive.

    The target is a mask (H, W) int64: 0 is background, 1 to 20 the classes, 255 the void that the
    score ignores. Source, arguments and errors are those of ``voc_detection``.

    >>> voc_segmentation(split="test")
    Traceback (most recent call last):
    ValueError: voc_segmentation has no split 'test'; choose train or val or trainval.
    """
    return _voc_family("voc_segmentation", "VOCSegmentation", split, root, year)


def _voc_family(name: str, torchvision_name: str, split: str, root: Root, year: str) -> Dataset:
    from torchvision import datasets
    from torchvision.datasets.voc import DATASET_YEAR_DICT

    card = CARDS[name]
    if year not in ("2007", "2012"):
        raise ValueError(f"{name} has no year {year!r}; choose '2007' or '2012'.")
    if year == "2007":
        card = replace(card, splits=f"{card.splits} test", megabytes=460)
    card = replace(card, title=f"{card.title} {year}")
    root = data_folder(card, split, root)
    meta = DATASET_YEAR_DICT["2007-test" if (year, split) == ("2007", "test") else year]
    listed = root / meta["base_dir"] / "ImageSets" / "Main" / f"{split}.txt"
    archive = File(root / meta["filename"], meta["md5"], [meta["url"]], root, {listed: None})
    recorded = obtain(card, [archive])
    source = getattr(datasets, torchvision_name)(str(root), year=year, image_set=split)
    paths = list(zip(source.images, source.targets, strict=True))
    detection = name == "voc_detection"
    class_names = VOC_CLASSES if detection else ("background", *VOC_CLASSES)
    target = _voc_objects if detection else _mask
    return files.from_files(card, class_names, source, paths, target, recorded)


def _voc_objects(tree: dict[str, Any]) -> dict[str, np.ndarray]:
    found = tree["annotation"]["object"]
    # VOC counts pixels from 1 and includes the last: [1, 1, 1, 1] is the first pixel.
    offsets = {"xmin": 1, "ymin": 1, "xmax": 0, "ymax": 0}
    return _objects(
        [[float(o["bndbox"][key]) - offset for key, offset in offsets.items()] for o in found],
        [VOC_CLASSES.index(o["name"]) for o in found],
        difficult=np.array([o.get("difficult") == "1" for o in found], dtype=bool),
    )


def coco_detection(split: str = "val", root: Root = None) -> Dataset:
    """COCO 2017 detection: photographs with the boxes of 80 classes; "val" 1.1 GB, "train" 19.5 GB.

    The target is a dict: ``boxes`` (N, 4) float32 xyxy in pixels, ``labels`` (N,) int64 numbered
    from 0 without gaps, ``crowd`` (N,) bool. Splits: "val" (5,000) and "train" (118,287).
    torchvision has no checksum for COCO: its zip files are verified by the CRC-32 of each member.
    Arguments and errors are those of ``mnist``. Source: T.-Y. Lin et al., "Microsoft COCO: common
    objects in context", ECCV 2014.

    >>> coco_detection(split="test")
    Traceback (most recent call last):
    ValueError: coco_detection has no split 'test'; choose train or val.
    """
    return _coco_family("coco_detection", "instances", split, root)


def coco_captions(split: str = "val", root: Root = None) -> Dataset:
    """COCO 2017 captions: the same photographs, each with about five sentences.

    The target is a dict with ``captions``, a list of strings; there are no classes. Source,
    arguments, verification and errors are those of ``coco_detection``.

    >>> coco_captions(split="test")
    Traceback (most recent call last):
    ValueError: coco_captions has no split 'test'; choose train or val.
    """
    return _coco_family("coco_captions", "captions", split, root)


def _coco_family(name: str, kind: str, split: str, root: Root) -> Dataset:
    card = CARDS[name] if split == "train" else replace(CARDS[name], megabytes=1070)
    folder = data_folder(card, split, root) / "coco"
    images, listed = folder / f"{split}2017", folder / "annotations" / f"{kind}_{split}2017.json"
    contents = {f"zips/{split}2017.zip": images, "annotations/annotations_trainval2017.zip": listed}
    recorded = obtain(card, files.plain_zips(folder, contents, COCO_SERVER))
    files.check_file(card, listed, recorded.get(str(listed)))
    content = json.loads(listed.read_text(encoding="utf-8"))
    annotations: dict[int, list[dict[str, Any]]] = {entry["id"]: [] for entry in content["images"]}
    for annotation in content["annotations"]:
        annotations[annotation["image_id"]].append(annotation)
    paths = [(str(images / entry["file_name"]),) for entry in content["images"]]
    source = _CocoSource(paths, list(annotations.values()))
    categories = sorted(content.get("categories", ()), key=lambda category: category["id"])
    table = {category["id"]: k for k, category in enumerate(categories)}
    target = partial(_coco_objects, table=table) if kind == "instances" else _coco_texts
    return files.from_files(card, [c["name"] for c in categories], source, paths, target, recorded)


@dataclass(frozen=True)
class _CocoSource:
    """What torchvision's COCO classes give, without the compiled pycocotools that they need."""

    paths: list[tuple[str]]
    annotations: list[list[dict[str, Any]]]

    def __getitem__(self, i: int) -> tuple[Any, list[dict[str, Any]]]:
        from PIL import Image

        with Image.open(*self.paths[i]) as picture:
            return picture.convert("RGB"), self.annotations[i]


def _coco_objects(annotations: list[dict[str, Any]], table: dict[int, int]) -> dict[str, Any]:
    return _objects(
        [(x, y, x + width, y + height) for x, y, width, height in (a["bbox"] for a in annotations)],
        [table[a["category_id"]] for a in annotations],
        crowd=np.array([a.get("iscrowd", 0) for a in annotations], dtype=bool),
    )


def _coco_texts(annotations: list[dict[str, Any]]) -> dict[str, list[str]]:
    return {"captions": [a["caption"].strip() for a in annotations]}


def cityscapes(split: str = "train", root: Root = None) -> Dataset:
    """Cityscapes: street scenes of 1024 x 2048 pixels with a class for each pixel, 12 GB.

    The target is a mask (H, W) int64: 0 to 18 are the classes of the benchmark, 255 is void.
    Splits: "train" (2,975) and "val" (500). Its terms demand a registration, so you place the files
    by hand, in the folder ``cityscapes`` below the root. torchvision has no checksum for them: the
    zip files are verified by the CRC-32 of each member. Arguments and errors are those of
    ``mnist``. Source: M. Cordts et al., "The Cityscapes dataset for semantic urban scene
    understanding", CVPR 2016.

    >>> cityscapes(split="test")
    Traceback (most recent call last):
    ValueError: cityscapes has no split 'test'; choose train or val.
    """
    from torchvision.datasets import Cityscapes

    card = CARDS["cityscapes"]
    folder = data_folder(card, split, root) / "cityscapes"
    contents = {f"{k}_trainvaltest.zip": folder / k / split for k in ("leftImg8bit", "gtFine")}
    recorded = obtain(card, files.plain_zips(folder, contents))
    source = Cityscapes(str(folder), split=split, mode="fine", target_type="semantic")
    # The files number 34 classes, the benchmark scores 19 of them.
    scored = [entry for entry in Cityscapes.classes if not entry.ignore_in_eval]
    table = np.full(256, 255, dtype=np.int64)
    table[[entry.id for entry in scored]] = [entry.train_id for entry in scored]
    paths = [(image, masks[0]) for image, masks in zip(source.images, source.targets, strict=True)]
    names = [entry.name for entry in scored]
    return files.from_files(card, names, source, paths, partial(_mask, table=table), recorded)


def kitti(split: str = "train", root: Root = None) -> Dataset:
    """KITTI detection: 7,481 street scenes with the boxes of eight classes, 12.6 GB.

    The target is a dict: ``boxes`` (N, 4) float32 xyxy in pixels, ``labels`` (N,) int64, and
    ``ignored`` (M, 4), the regions that nobody labelled. Only the labels of "train" are public.
    torchvision has no checksum for KITTI: its zip files are verified by the CRC-32 of each member.
    Arguments and errors are those of ``mnist``. Source: A. Geiger et al., "Are we ready for
    autonomous driving?", CVPR 2012.

    >>> kitti(split="test")
    Traceback (most recent call last):
    ValueError: kitti has no split 'test'; choose train.
    """
    from torchvision.datasets import Kitti

    card = CARDS["kitti"]
    root = data_folder(card, split, root)
    raw = root / "Kitti" / "raw"
    kinds = (Kitti.image_dir_name, Kitti.labels_dir_name)
    contents = {n: raw / "training" / k for n, k in zip(Kitti.resources, kinds, strict=True)}
    recorded = obtain(card, files.plain_zips(raw, contents, Kitti.data_url))
    source = Kitti(str(root), train=True)
    paths = list(zip(source.images, source.targets, strict=True))
    return files.from_files(card, KITTI_CLASSES, source, paths, _kitti_objects, recorded)


def _kitti_objects(found: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    known = [o for o in found if o["type"] in KITTI_CLASSES]
    return _objects(
        [o["bbox"] for o in known],
        [KITTI_CLASSES.index(o["type"]) for o in known],
        ignored=_boxes([o["bbox"] for o in found if o["type"] == "DontCare"]),
    )


# --- Pairs of images -----------------------------------------------------------------------------


def kitti_stereo(split: str = "train", root: Root = None) -> Dataset:
    """KITTI 2015 stereo: 200 rectified street scenes with measured disparity, 1.7 GB unpacked.

    The image is the left one, the target a dict: ``right`` (H, W, 3), ``disparity`` (H, W) float32
    in pixels with the sign of ``StereoPair``, ``valid`` (H, W) bool. Only the disparity of "train"
    is public, and you unpack it by hand into ``Kitti2015`` below the root; it has no checksums, so
    the images are only tried for decoding. Arguments and errors are those of ``mnist``. Source:
    M. Menze and A. Geiger, "Object scene flow for autonomous vehicles", CVPR 2015.

    >>> kitti_stereo(split="test")
    Traceback (most recent call last):
    ValueError: kitti_stereo has no split 'test'; choose train.
    """
    return _kitti_pairs("kitti_stereo", "Kitti2015Stereo", "Kitti2015", split, root)


def kitti_flow(split: str = "train", root: Root = None) -> Dataset:
    """KITTI 2015 optical flow: 200 pairs of successive frames with measured motion.

    The image is the first frame, the target a dict: ``second`` (H, W, 3), ``flow`` (H, W, 2)
    float32 xy in pixels, 0 where unknown, and ``valid`` (H, W) bool. You unpack the archive of
    ``kitti_stereo``, whose source, arguments and errors it shares, into ``KittiFlow``.

    >>> kitti_flow(split="test")
    Traceback (most recent call last):
    ValueError: kitti_flow has no split 'test'; choose train.
    """
    return _kitti_pairs("kitti_flow", "KittiFlow", "KittiFlow", split, root)


def _kitti_pairs(name: str, torchvision_name: str, below: str, split: str, root: Root) -> Dataset:
    from torchvision import datasets

    card = CARDS[name]
    root = data_folder(card, split, root)
    place = f"unpack the whole archive data_scene_flow.zip (from {card.source}) into {root / below}"
    with files.explained(card, f"{place} by hand"):
        try:
            source = getattr(datasets, torchvision_name)(str(root))
        except (OSError, ValueError) as error:  # torchvision's words for a folder without files
            raise files.Refused(str(error)) from error
        stereo = name == "kitti_stereo"
        pairs = source._images if stereo else source._image_list
        maps = source._disparities if stereo else [(path,) for path in source._flow_list]
        if len(pairs) != len(maps):
            kind = "disparity" if stereo else "flow"
            raise files.Refused(f"{len(pairs)} frame pairs have {len(maps)} {kind} maps")
    paths = [(*pair, *truth) for pair, truth in zip(pairs, maps, strict=True)]
    target = _stereo_target if stereo else _flow_target
    return files.from_files(card, (), source, paths, target, {})


def _stereo_target(right: Any, disparity: np.ndarray, _: None) -> dict[str, np.ndarray]:
    # KITTI writes 0 where its laser scanner saw nothing.
    disparity = disparity[0].astype(np.float32)
    return {"right": unit_image(right), "disparity": disparity, "valid": disparity > 0}


def _flow_target(second: Any, flow: np.ndarray, valid: np.ndarray) -> dict[str, np.ndarray]:
    flow = np.where(valid[..., None], np.moveaxis(flow, 0, -1), 0).astype(np.float32)
    return {"second": unit_image(second), "flow": flow, "valid": valid}

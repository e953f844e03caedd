"""Tests of the full sets of cvlab.data, without a network.

The sets are built here at a small scale in their real formats. torchvision's tables of
addresses and checksums are pointed at them, so that its own code downloads (from a server on this
machine), verifies, unpacks and decodes.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import json
import os
import pickle
import shutil
import signal
import socket
import struct
import tarfile
import tempfile
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from waiting import processor_time, until

from cvlab import data
from cvlab.data import files as data_files
from cvlab.data import full
from cvlab.data.dataset import unit_image

RNG_SEED = 7


# --- A server on this machine --------------------------------------------------------------------


class Server:
    """Serves ``files`` by name; ``fault`` breaks it in one of the ways that networks break."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.fault: str | None = None
        self.released = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.rsplit("/", 1)[-1]
                owner.requests.append(name)
                if owner.fault == "stall":
                    owner.released.wait(60)
                    return
                if owner.fault == "refuse" or name not in owner.files:
                    self.send_error(503 if owner.fault == "refuse" else 404)
                    return
                body = owner.files[name]
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if owner.fault in ("half", "hang"):
                    body = body[: len(body) // 2]
                if owner.fault == "altered":
                    body = altered(body)
                try:
                    self.wfile.write(body)
                    if owner.fault == "hang":
                        owner.released.wait(60)
                except OSError:
                    pass  # the client gave up, as it should

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    running = Server()
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def no_real_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only this machine may be reached, and the user's own data stay out of sight."""
    connect = socket.socket.connect

    def local_only(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and address[0] != "127.0.0.1":
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local_only)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_lookup(socket.getaddrinfo))
    monkeypatch.setenv("CVLAB_DATA", str(tmp_path / "default"))


def guarded_lookup(lookup: Callable) -> Callable:
    def guarded(host: str, *args: object, **kwargs: object) -> object:
        if host not in ("127.0.0.1", "localhost", "", None):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return lookup(host, *args, **kwargs)

    return guarded


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --- Small sets in their real formats ------------------------------------------------------------


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def altered(content: bytes) -> bytes:
    """The same length, one byte in the middle changed."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


def noise_image(shape: tuple[int, ...], seed: int = RNG_SEED) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encoded(array: np.ndarray, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind)
    return buffer.getvalue()


def png16(array: np.ndarray) -> bytes:
    """A 16-bit PNG; three channels are given as RGB."""
    import cv2

    ok, buffer = cv2.imencode(".png", array if array.ndim == 2 else array[..., ::-1])
    assert ok
    return buffer.tobytes()


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(members: dict[str, bytes], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


class Family:
    """A small full set: its archives by name, the folder they belong in, and one item of it."""

    def __init__(
        self,
        archives: dict[str, bytes],
        folder: str,
        check: Callable[[data.Dataset], None],
        item: str,
        manual: bool = False,
        unverified: bool = False,
    ) -> None:
        self.archives = archives
        self.folder = folder
        self.check = check
        self.item = item  # an unpacked file that the first sample is decoded from
        self.manual = manual  # placed by hand, never downloaded
        self.unverified = unverified  # no checksum in torchvision

    def place(self, root: Path) -> None:
        for name, content in self.archives.items():
            path = root / self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def idx(array: np.ndarray) -> bytes:
    """The MNIST format: magic number, big-endian sizes, bytes."""
    header = struct.pack(f">{array.ndim + 1}I", 0x0800 + array.ndim, *array.shape)
    return header + array.tobytes()


def make_mnist(patch: pytest.MonkeyPatch, url: str, kind: str) -> Family:
    from torchvision import datasets

    images, labels = noise_image((30, 28, 28)), np.arange(30, dtype=np.uint8) % 10
    archives = {
        f"{part}-{what}-ubyte.gz": gzip.compress(idx(content))
        for part in ("train", "t10k")
        for what, content in (("images-idx3", images), ("labels-idx1", labels))
    }
    family = getattr(datasets, kind)
    patch.setattr(family, "mirrors", [url])
    patch.setattr(family, "resources", [(n, md5(c)) for n, c in archives.items()])

    def check(dataset: data.Dataset) -> None:
        read, targets = dataset.arrays()
        np.testing.assert_array_equal(read, images.astype(np.float32) / 255)
        np.testing.assert_array_equal(targets, labels)
        assert len(dataset.class_names) == 10

    return Family(archives, f"{kind}/raw", check, f"{kind}/raw/train-images-idx3-ubyte")


def make_cifar(patch: pytest.MonkeyPatch, url: str, kind: str) -> Family:
    from torchvision import datasets

    family = getattr(datasets, kind)
    fine = kind == "CIFAR100"
    key, meta_key = ("fine_labels", "fine_label_names") if fine else ("labels", "label_names")
    names = [f"class {k}" for k in range(100 if fine else 10)]
    rows = noise_image((20, 3072))
    labels = [int(k) for k in np.arange(20) % len(names)]
    train = [name for name, _ in family.train_list]
    batches = {
        name: pickle.dumps({"data": rows, key: labels}, protocol=2) for name in (*train, "test")
    }
    if not fine:
        batches["test_batch"] = batches.pop("test")
    meta = pickle.dumps({meta_key: names}, protocol=2)
    members = {f"{family.base_folder}/{n}": c for n, c in batches.items()}
    members[f"{family.base_folder}/{family.meta['filename']}"] = meta
    archive = tarred(members, "w:gz")
    patch.setattr(family, "url", url + family.filename)
    patch.setattr(family, "tgz_md5", md5(archive))
    patch.setattr(family, "train_list", [[n, md5(batches[n])] for n in train])
    patch.setattr(family, "test_list", [[n, md5(c)] for n, c in batches.items() if n not in train])
    patch.setattr(family, "meta", {**family.meta, "md5": md5(meta)})

    def check(dataset: data.Dataset) -> None:
        image, label = dataset[1]
        assert len(dataset) == 20 * len(train)
        assert label == 1
        # The format stores the red plane, then green, then blue, each by rows.
        np.testing.assert_array_equal(
            image, rows[1].reshape(3, 32, 32).transpose(1, 2, 0).astype(np.float32) / 255
        )
        assert dataset.class_names == tuple(names)

    return Family({family.filename: archive}, "", check, f"{family.base_folder}/{train[0]}")


def make_omniglot(patch: pytest.MonkeyPatch, url: str) -> Family:
    from torchvision.datasets import Omniglot

    drawings = {
        f"images_background/{alphabet}/character0{c}/{i:02d}.png": noise_image((9, 9), i) > 127
        for alphabet in ("Greek", "Arcadian")
        for c in (1, 2)
        for i in range(3)
    }
    archive = zipped({name: encoded(bits, "PNG") for name, bits in drawings.items()})
    patch.setattr(Omniglot, "download_url_prefix", url.rstrip("/"))
    patch.setattr(
        Omniglot, "zips_md5", {"images_background": md5(archive), "images_evaluation": "-"}
    )

    def check(dataset: data.Dataset) -> None:
        assert len(dataset) == 12
        assert dataset.class_names[:2] == ("Arcadian/character01", "Arcadian/character02")
        assert dataset.class_names[2:] == ("Greek/character01", "Greek/character02")
        assert [dataset[i][1] for i in range(12)] == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
        first = drawings["images_background/Arcadian/character01/00.png"]
        np.testing.assert_array_equal(dataset[0][0], first.astype(np.float32))

    item = "omniglot-py/images_background/Arcadian/character01/00.png"
    return Family({"images_background.zip": archive}, "omniglot-py", check, item)


VOC_XML = """<annotation><filename>2007_000001.jpg</filename>
<object><name>dog</name><difficult>0</difficult>
<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>4</xmax><ymax>3</ymax></bndbox></object>
<object><name>aeroplane</name><difficult>1</difficult>
<bndbox><xmin>5</xmin><ymin>2</ymin><xmax>20</xmax><ymax>16</ymax></bndbox></object></annotation>"""


def make_voc(patch: pytest.MonkeyPatch, url: str, kind: str) -> Family:
    from torchvision.datasets import voc

    picture = encoded(noise_image((16, 20, 3)), "JPEG")
    mask = np.zeros((16, 20), dtype=np.uint8)
    mask[:3, :4], mask[5, 5] = 12, 255
    base = "VOCdevkit/VOC2012"
    archive = tarred(
        {
            f"{base}/JPEGImages/2007_000001.jpg": picture,
            f"{base}/JPEGImages/2007_000002.jpg": picture,
            f"{base}/Annotations/2007_000001.xml": VOC_XML.encode(),
            f"{base}/Annotations/2007_000002.xml": b"<annotation><folder>x</folder></annotation>",
            f"{base}/SegmentationClass/2007_000001.png": encoded(mask, "PNG"),
            f"{base}/ImageSets/Main/train.txt": b"2007_000001\n2007_000002\n",
            f"{base}/ImageSets/Segmentation/train.txt": b"2007_000001\n",
        }
    )
    name = "VOCtrainval_11-May-2012.tar"
    table = {"url": url + name, "filename": name, "md5": md5(archive), "base_dir": base}
    patch.setitem(voc.DATASET_YEAR_DICT, "2012", table)
    decoded = np.asarray(Image.open(io.BytesIO(picture)), dtype=np.float32) / 255

    def check(dataset: data.Dataset) -> None:
        image, target = dataset[0]
        np.testing.assert_array_equal(image, decoded)
        if kind == "segmentation":
            np.testing.assert_array_equal(target, mask)
            assert target.dtype == np.int64
            assert dataset.class_names[12] == "dog"
            return
        np.testing.assert_array_equal(target["boxes"], [[0, 0, 4, 3], [4, 1, 20, 16]])
        assert [dataset.class_names[k] for k in target["labels"]] == ["dog", "aeroplane"]
        assert target["difficult"].tolist() == [False, True]
        _, empty = dataset[1]
        assert empty["boxes"].shape == (0, 4)
        assert empty["labels"].dtype == np.int64

    return Family({name: archive}, "", check, f"{base}/JPEGImages/2007_000001.jpg")


def make_coco(patch: pytest.MonkeyPatch, url: str, kind: str) -> Family:
    pictures = [noise_image((12, 10, 3)), noise_image((8, 14))]
    files = {
        f"val2017/{k:012d}.jpg": encoded(p, "JPEG") for k, p in zip((9, 5), pictures, strict=True)
    }
    listed = [{"id": 9, "file_name": f"{9:012d}.jpg"}, {"id": 5, "file_name": f"{5:012d}.jpg"}]
    boxes = [
        {"id": 1, "image_id": 9, "category_id": 90, "bbox": [1, 2, 3, 4], "iscrowd": 0},
        {"id": 2, "image_id": 9, "category_id": 1, "bbox": [0.5, 0, 2, 2], "iscrowd": 1},
    ]
    categories = [{"id": 90, "name": "toothbrush"}, {"id": 1, "name": "person"}]
    texts = [{"id": k, "image_id": 9, "caption": f"caption {k} \n"} for k in range(2)]
    instances = {"images": listed, "annotations": boxes, "categories": categories}
    captions = {"images": listed, "annotations": texts}
    annotations = {
        "annotations/instances_val2017.json": json.dumps(instances).encode(),
        "annotations/captions_val2017.json": json.dumps(captions).encode(),
    }
    archives = {
        "val2017.zip": zipped(files),
        "annotations_trainval2017.zip": zipped(annotations),
    }
    patch.setattr(full, "COCO_SERVER", url)

    def check(dataset: data.Dataset) -> None:
        assert len(dataset) == 2
        image, target = dataset[1]  # the images are in the order of their ids
        assert image.shape == (12, 10, 3)
        if kind == "captions":
            assert target == {"captions": ["caption 0", "caption 1"]}
            return
        np.testing.assert_array_equal(target["boxes"], [[1, 2, 4, 6], [0.5, 0, 2.5, 2]])
        assert [dataset.class_names[k] for k in target["labels"]] == ["toothbrush", "person"]
        assert target["crowd"].tolist() == [False, True]
        grey, empty = dataset[0]
        assert grey.shape == (8, 14, 3)
        assert empty["boxes"].shape == (0, 4)

    return Family(archives, "coco", check, f"coco/val2017/{5:012d}.jpg", unverified=True)


def make_kitti(patch: pytest.MonkeyPatch, url: str) -> Family:
    from torchvision.datasets import Kitti

    line = "{} 0.00 0 -1.57 {} 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59\n"
    labels = line.format("Car", "1.5 2.0 8.5 7.0") + line.format("DontCare", "0.0 0.0 3.0 3.0")
    pictures = [noise_image((10, 30, 3), seed=k) for k in range(3)]
    files = {f"training/image_2/{k:06d}.png": encoded(p, "PNG") for k, p in enumerate(pictures)}
    texts = {f"training/label_2/{k:06d}.txt": labels.encode() for k in range(3)}
    archives = {"data_object_image_2.zip": zipped(files), "data_object_label_2.zip": zipped(texts)}
    patch.setattr(Kitti, "data_url", url)

    def check(dataset: data.Dataset) -> None:
        assert len(dataset) == 3
        for (image, target), picture in zip(dataset, pictures, strict=True):
            np.testing.assert_array_equal(image, picture.astype(np.float32) / 255)
            np.testing.assert_array_equal(target["boxes"], [[1.5, 2, 8.5, 7]])
            assert [dataset.class_names[k] for k in target["labels"]] == ["Car"]
            np.testing.assert_array_equal(target["ignored"], [[0, 0, 3, 3]])

    item = "Kitti/raw/training/image_2/000000.png"
    return Family(archives, "Kitti/raw", check, item, unverified=True)


def make_lfw(patch: pytest.MonkeyPatch, url: str) -> Family:
    from torchvision.datasets import LFWPeople

    people = [("Ada_Lovelace", 1), ("Alan_Turing", 2)]
    picture = encoded(noise_image((25, 25, 3)), "JPEG")
    images = {
        f"lfw_funneled/{name}/{name}_{i:04d}.jpg": picture
        for name, count in people
        for i in range(1, count + 1)
    }
    archives = {
        "lfw-funneled.tgz": tarred(images, "w:gz"),
        "peopleDevTrain.txt": b"2\nAda_Lovelace\t1\nAlan_Turing\t2\n",
        "lfw-names.txt": b"Ada_Lovelace 1\nAlan_Turing 2\n",
    }
    table = ("lfw_funneled", "lfw-funneled.tgz", md5(archives["lfw-funneled.tgz"]))
    patch.setattr(LFWPeople, "file_dict", {**LFWPeople.file_dict, "funneled": table})
    checksums = {name: md5(content) for name, content in archives.items()}
    patch.setattr(LFWPeople, "checksums", {**LFWPeople.checksums, **checksums})

    def check(dataset: data.Dataset) -> None:
        assert [dataset.class_names[label] for _, label in dataset] == [
            "Ada_Lovelace",
            "Alan_Turing",
            "Alan_Turing",
        ]
        assert dataset[0][0].shape == (25, 25, 3)

    item = "lfw-py/lfw_funneled/Ada_Lovelace/Ada_Lovelace_0001.jpg"
    return Family(archives, "lfw-py", check, item, manual=True)


def make_celeba(patch: pytest.MonkeyPatch, url: str) -> Family:
    from torchvision.datasets import CelebA

    picture = encoded(noise_image((218, 178, 3)), "JPEG")
    names = [f"{k:06d}.jpg" for k in range(1, 4)]
    attributes = " ".join(f"attribute_{k}" for k in range(40))
    signs = [[1 if (i + k) % 3 == 0 else -1 for k in range(40)] for i in range(3)]

    def table(rows: list[str]) -> bytes:
        return "".join(f"{n} {row}\n" for n, row in zip(names, rows, strict=True)).encode()

    archives = {
        "img_align_celeba.zip": zipped({f"img_align_celeba/{n}": picture for n in names}),
        "list_attr_celeba.txt": f"3\n{attributes} \n".encode()
        + table([" ".join(f"{s:2d}" for s in row) for row in signs]),
        "identity_CelebA.txt": table(["2880", "2937", "8692"]),
        "list_bbox_celeba.txt": b"3\nimage_id x_1 y_1 width height\n" + table(["1 2 3 4"] * 3),
        "list_landmarks_align_celeba.txt": b"3\na b c d e f g h i j \n"
        + table([" ".join(str(10 * k) for k in range(10))] * 3),
        "list_eval_partition.txt": table(["0", "1", "0"]),
    }
    patch.setattr(CelebA, "file_list", [("id", md5(c), n) for n, c in archives.items()])

    def check(dataset: data.Dataset) -> None:
        assert len(dataset) == 2
        image, target = dataset[1]
        assert image.shape == (218, 178, 3)
        assert target["identity"] == 8692
        np.testing.assert_array_equal(target["attributes"], np.array(signs[2]) > 0)
        np.testing.assert_array_equal(target["landmarks"][1], [20, 30])
        assert len(dataset.class_names) == 40

    item = "celeba/img_align_celeba/000001.jpg"
    return Family(archives, "celeba", check, item, manual=True)


def make_cityscapes(patch: pytest.MonkeyPatch, url: str) -> Family:
    ids = np.array([[0, 7, 26], [33, 9, 11]], dtype=np.uint8)
    images, masks = {}, {}
    for city in ("ulm", "aachen"):
        name = f"{city}_000000_000019"
        picture = encoded(noise_image((2, 3, 3)), "PNG")
        images[f"leftImg8bit/train/{city}/{name}_leftImg8bit.png"] = picture
        masks[f"gtFine/train/{city}/{name}_gtFine_labelIds.png"] = encoded(ids, "PNG")
    archives = {
        "leftImg8bit_trainvaltest.zip": zipped({**images, "README": b"one text"}),
        "gtFine_trainvaltest.zip": zipped({**masks, "README": b"another"}),
    }

    def check(dataset: data.Dataset) -> None:
        assert len(dataset) == 2
        _, mask = dataset[0]
        np.testing.assert_array_equal(mask, [[255, 0, 13], [18, 255, 2]])
        assert [dataset.class_names[k] for k in (0, 13, 18, 2)] == [
            "road",
            "car",
            "bicycle",
            "building",
        ]

    item = "cityscapes/leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png"
    return Family(archives, "cityscapes", check, item, manual=True, unverified=True)


FAMILIES = {
    "mnist": partial(make_mnist, kind="MNIST"),
    "fashion_mnist": partial(make_mnist, kind="FashionMNIST"),
    "cifar10": partial(make_cifar, kind="CIFAR10"),
    "cifar100": partial(make_cifar, kind="CIFAR100"),
    "omniglot": make_omniglot,
    "voc_detection": partial(make_voc, kind="detection"),
    "voc_segmentation": partial(make_voc, kind="segmentation"),
    "coco_detection": partial(make_coco, kind="detection"),
    "coco_captions": partial(make_coco, kind="captions"),
    "kitti": make_kitti,
    "lfw": make_lfw,
    "celeba": make_celeba,
    "cityscapes": make_cityscapes,
}
MANUAL = ("lfw", "celeba", "cityscapes")
DOWNLOADED = tuple(name for name in FAMILIES if name not in MANUAL)
BY_IMAGE = tuple(name for name in FAMILIES if "mnist" not in name and "cifar" not in name)


def prepare(name: str, patch: pytest.MonkeyPatch, server: Server) -> Family:
    family = FAMILIES[name](patch, server.url)
    server.files.update(family.archives)
    return family


def load(name: str, root: Path) -> data.Dataset:
    return getattr(data, name)(root=root)


def assert_one_useful_sentence(error: pytest.ExceptionInfo, name: str) -> None:
    message = str(error.value)
    assert "\n" not in message
    assert message.endswith(" instead.")
    assert message.count("unavailable because") == 1
    assert " by hand, or use " in message
    assert any(f"use {part}" in message for part in ("data.", "cvlab.scenes.")), message


# --- The full sets -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DOWNLOADED)
def test_download_then_offline(name, monkeypatch, server, tmp_path, capsys):
    family = prepare(name, monkeypatch, server)
    timeout = socket.getdefaulttimeout()
    dataset = load(name, tmp_path)
    out, err = capsys.readouterr()
    announced = [line for line in out.splitlines() if "downloading" in line]
    assert len(announced) == 1
    assert dataset.source in announced[0]
    assert "MB" in announced[0] or "GB" in announced[0]
    assert "100%" in err  # the progress bar
    family.check(dataset)
    assert dataset.name == name
    assert dataset.description
    assert dataset.licence
    assert socket.getdefaulttimeout() == timeout

    asked = len(server.requests)
    family.check(load(name, tmp_path))
    assert len(server.requests) == asked
    assert capsys.readouterr().out == ""
    assert not list(tmp_path.rglob(".unfinished-*"))


@pytest.mark.parametrize("name", DOWNLOADED)
def test_nothing_is_downloaded_offline(name, monkeypatch, server, tmp_path, capsys):
    family = prepare(name, monkeypatch, server)
    with data.offline(), pytest.raises(data.DatasetUnavailable) as error:
        load(name, tmp_path)
    assert_one_useful_sentence(error, name)
    assert server.requests == []
    assert capsys.readouterr().out == ""
    family.check(load(name, tmp_path))  # outside it is, as ever
    with data.offline():
        family.check(load(name, tmp_path))


@pytest.mark.parametrize("name", FAMILIES)
def test_files_placed_by_hand_need_no_network(name, monkeypatch, server, tmp_path, capsys):
    family = prepare(name, monkeypatch, server)
    family.place(tmp_path)
    family.check(load(name, tmp_path))
    assert server.requests == []
    assert capsys.readouterr().out == ""

    def unpack_again(*_: object) -> None:
        raise AssertionError("what was unpacked and is whole must not be unpacked again")

    monkeypatch.setattr("torchvision.datasets.utils.extract_archive", unpack_again)
    family.check(load(name, tmp_path))


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("damage", ["truncated", "altered"])
def test_damaged_archive_is_removed_unread(name, damage, monkeypatch, server, tmp_path):
    family = prepare(name, monkeypatch, server)
    family.place(tmp_path)
    archive = tmp_path / family.folder / next(iter(family.archives))
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2] if damage == "truncated" else altered(whole))
    server.fault = "refuse"
    with pytest.raises(data.DatasetUnavailable) as error:
        load(name, tmp_path)
    assert_one_useful_sentence(error, name)
    assert not archive.exists()

    server.fault = None
    if family.manual:
        archive.write_bytes(whole)
    family.check(load(name, tmp_path))
    assert archive.read_bytes() == whole


def test_no_altered_byte_of_a_zip_file_gets_through(tmp_path):
    """Without a checksum too, what is unpacked is exact, or the archive refused and removed."""
    contents = {"a/1.png": noise_image((40,)).tobytes(), "a/2.txt": b"label " * 20}
    whole = zipped(contents)
    refused = 0
    for i in range(len(whole)):
        folder = tmp_path / str(i)
        folder.mkdir()
        archive = data_files.File(folder / "a.zip", into=folder)
        archive.path.write_bytes(whole[:i] + bytes([whole[i] ^ 0xFF]) + whole[i + 1 :])
        if data_files.unpack(archive):
            read = {path.name: path.read_bytes() for path in folder.glob("a/*")}
            assert read.items() <= {Path(n).name: c for n, c in contents.items()}.items()
        else:
            refused += 1
            assert list(folder.iterdir()) == []
    assert refused > len(whole) / 2


@pytest.mark.parametrize("name", FAMILIES)
def test_altered_content_is_never_decoded(name, monkeypatch, server, tmp_path):
    """A file changed after unpacking is noticed, removed, and restored from the archive."""
    family = prepare(name, monkeypatch, server)
    family.place(tmp_path)
    dataset = load(name, tmp_path)
    item = tmp_path / family.item
    whole = item.read_bytes()
    item.write_bytes(altered(whole))  # the size stays
    if name in BY_IMAGE:
        index = next(i for i, p in enumerate(dataset._read.paths) if str(item) in p)
        dataset = data.Dataset(dataset._card, (), dataset._read, [index])
        with pytest.raises(data.DatasetUnavailable, match="altered and was removed"):
            dataset[0]
        assert not item.exists()
        with pytest.raises(data.DatasetUnavailable, match="is missing"):
            dataset[0]
    family.check(load(name, tmp_path))
    assert item.read_bytes() == whole

    item.write_bytes(whole[: len(whole) // 2])
    family.check(load(name, tmp_path))
    assert item.read_bytes() == whole


@pytest.mark.parametrize(("name", "recorded"), [("mnist", True), ("cifar10", True), ("cifar10", 0)])
def test_altered_content_without_archive(name, recorded, monkeypatch, server, tmp_path):
    """CIFAR's batches have checksums of their own, so a folder unpacked by hand is verified too."""
    family = prepare(name, monkeypatch, server)
    family.place(tmp_path)
    load(name, tmp_path)
    for archive in family.archives:
        (tmp_path / family.folder / archive).unlink()
        if not recorded:
            (tmp_path / family.folder / f".{archive}.unpacked.json").unlink()
    if name == "cifar10":
        family.check(load(name, tmp_path))
    item = tmp_path / family.item
    item.write_bytes(altered(item.read_bytes()))
    server.fault = "refuse"
    with pytest.raises(data.DatasetUnavailable) as error:
        load(name, tmp_path)
    assert_one_useful_sentence(error, name)
    if name == "cifar10":
        assert not item.exists()


def test_a_header_of_too_many_pixels_is_one_sentence(tmp_path):
    """It would ask for ten gigabytes, whatever the rest of the file holds."""
    path = tmp_path / "huge.png"
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + bytes(4))
    with pytest.raises(data.DatasetUnavailable, match=r"claims to be too large.*or use") as raised:
        data_files.check_file(data_files.CARDS["coco_detection"], path)
    assert "\n" not in str(raised.value)
    assert path.exists()


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_all_depths_and_modes_become_numbers_from_0_to_1(shape):
    pixels = noise_image(shape)
    expected = pixels.astype(np.float32) / 255
    np.testing.assert_array_equal(unit_image(pixels), expected)
    np.testing.assert_array_equal(unit_image(pixels > 99), (pixels > 99).astype(np.float32))
    deep = np.random.default_rng(1).integers(0, 65536, shape, dtype=np.uint16)
    np.testing.assert_array_equal(unit_image(deep), deep.astype(np.float32) / 65535)
    picture = Image.fromarray(pixels)
    np.testing.assert_array_equal(unit_image(picture), expected)
    if len(shape) == 2:
        with Image.open(io.BytesIO(png16(deep))) as opened:
            np.testing.assert_array_equal(unit_image(opened), deep.astype(np.float32) / 65535)
        np.testing.assert_array_equal(unit_image(picture.convert("I;16")), expected / 257)
        np.testing.assert_array_equal(unit_image(picture.convert("LA")), expected)
        older = Image.fromarray(deep.astype(np.int32))
        np.testing.assert_array_equal(unit_image(older), deep.astype(np.float32) / 65535)
        with pytest.raises(TypeError, match="8 or 16 bits a value, and this one more"):
            unit_image(Image.fromarray(deep.astype(np.int32) + 65536))
        bits = picture.convert("1")
        np.testing.assert_array_equal(unit_image(bits), np.asarray(bits).astype(np.float32))
        return
    for mode in ("RGBA", "P"):
        other = picture.convert(mode)
        again = np.asarray(other.convert("RGB"), dtype=np.float32) / 255
        np.testing.assert_array_equal(unit_image(other), again)
    assert unit_image(picture.convert("CMYK")).shape == shape
    for wrong in (pixels.astype(np.int64), pixels.astype(np.float64)):
        with pytest.raises(TypeError, match="8 or 16 bits a value, not "):
            unit_image(wrong)


def test_pixels_stay_where_the_file_stores_them():
    """Boxes and masks refer to these, not to what a viewer turns them into."""
    pixels = np.zeros((4, 6, 3), dtype=np.uint8)
    pixels[0, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", exif=exif)
    with Image.open(buffer) as picture:
        assert picture.getexif()[0x0112] == 6
        np.testing.assert_array_equal(unit_image(picture), pixels.astype(np.float32) / 255)


def test_altered_pickle_never_runs(monkeypatch, server, tmp_path):
    """CIFAR's batches are pickles, which may run anything when read."""

    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "it ran"),)

    family = prepare("cifar10", monkeypatch, server)
    family.place(tmp_path)
    load("cifar10", tmp_path)
    (tmp_path / family.item).write_bytes(pickle.dumps(Bomb()))
    family.check(load("cifar10", tmp_path))
    assert not (tmp_path / "it ran").exists()


@pytest.mark.parametrize("delete_archive", [False, True])
@pytest.mark.parametrize("name", ["mnist", "omniglot", "voc_detection", "kitti", "celeba"])
def test_killed_unpacking_is_repeated(name, delete_archive, monkeypatch, server, tmp_path):
    import torchvision.datasets.utils as utils

    family = prepare(name, monkeypatch, server)
    family.place(tmp_path)
    extract, move = utils.extract_archive, os.replace

    def killed_while_extracting(archive: str, into: str) -> None:
        extract(archive, into)
        raise KeyboardInterrupt

    def killed_while_moving(source: Path, target: Path) -> None:
        move(source, target)
        if "contents" in Path(source).parts:
            raise KeyboardInterrupt

    monkeypatch.setattr(utils, "extract_archive", killed_while_extracting)
    with pytest.raises(KeyboardInterrupt):
        load(name, tmp_path)
    assert not (tmp_path / family.item).exists()
    monkeypatch.setattr(utils, "extract_archive", extract)
    monkeypatch.setattr(os, "replace", killed_while_moving)
    with pytest.raises(KeyboardInterrupt):
        load(name, tmp_path)
    monkeypatch.setattr(os, "replace", move)
    if delete_archive:
        # A few files are in place and no archive: that is still no set unpacked by hand.
        (tmp_path / family.folder / next(iter(family.archives))).unlink()
        server.fault = "refuse"
        with pytest.raises(data.DatasetUnavailable):
            load(name, tmp_path)
    else:
        family.check(load(name, tmp_path))


@pytest.mark.parametrize("name", DOWNLOADED)
@pytest.mark.parametrize("fault", ["half", "altered"])
def test_broken_download_leaves_nothing(name, fault, monkeypatch, server, tmp_path):
    family = prepare(name, monkeypatch, server)
    server.fault = fault
    with pytest.raises(data.DatasetUnavailable) as error:
        load(name, tmp_path)
    assert_one_useful_sentence(error, name)
    left = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert left == []
    server.fault = None
    family.check(load(name, tmp_path))


@pytest.mark.parametrize("name", DOWNLOADED)
def test_unreachable_server(name, monkeypatch, server, tmp_path):
    FAMILIES[name](monkeypatch, f"http://127.0.0.1:{closed_port()}/")
    with pytest.raises(data.DatasetUnavailable, match=r"refused") as error:
        load(name, tmp_path)
    assert_one_useful_sentence(error, name)
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize(
    "name", ["mnist", "fashion_mnist", "cifar10", "cifar100", "omniglot", "kitti", "coco_captions"]
)
def test_no_network_at_the_real_addresses(name, tmp_path):
    """With nothing patched but the network, each set names itself and its substitute."""
    with processor_time(5), pytest.raises(data.DatasetUnavailable) as error:
        load(name, tmp_path)
    assert_one_useful_sentence(error, name)


@pytest.mark.parametrize(
    ("fault", "reason"), [("refuse", "answered 503"), ("stall", r"no answer|broke")]
)
def test_server_that_fails(fault, reason, monkeypatch, server, tmp_path):
    prepare("cifar10", monkeypatch, server)
    monkeypatch.setattr(data_files, "TIMEOUT", 0.3)
    server.fault = fault
    with processor_time(3), pytest.raises(data.DatasetUnavailable, match=reason):
        load("cifar10", tmp_path)
    assert socket.getdefaulttimeout() is None


def test_second_mirror_is_tried(monkeypatch, server, tmp_path):
    from torchvision.datasets import MNIST

    family = prepare("mnist", monkeypatch, server)
    dead = f"http://127.0.0.1:{closed_port()}/"
    monkeypatch.setattr(MNIST, "mirrors", [dead, server.url])
    family.check(load("mnist", tmp_path))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_full_disk(monkeypatch, server, tmp_path):
    """The kernel itself refuses the bytes: the partial file is a link to a device without room."""
    family = prepare("cifar10", monkeypatch, server)
    make = tempfile.mkdtemp

    def with_full_device(**where: object) -> str:
        folder = make(**where)
        os.symlink("/dev/full", Path(folder) / next(iter(family.archives)))
        return folder

    monkeypatch.setattr(tempfile, "mkdtemp", with_full_device)
    with pytest.raises(data.DatasetUnavailable, match="disk is full"):
        load("cifar10", tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(tempfile, "mkdtemp", make)
    family.check(load("cifar10", tmp_path))


def test_too_little_room_is_said_before_downloading(monkeypatch, server, tmp_path):
    prepare("cifar10", monkeypatch, server)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10**6))
    with pytest.raises(data.DatasetUnavailable, match="takes 170 MB and only 1 MB are free"):
        load("cifar10", tmp_path)
    assert server.requests == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_killed_download_is_never_read(monkeypatch, server, tmp_path):
    family = prepare("cifar10", monkeypatch, server)
    server.fault = "hang"  # after half of the file
    child = os.fork()
    if child == 0:
        try:
            load("cifar10", tmp_path)
        finally:
            os._exit(1)
    try:
        begun = until(lambda: any(p.stat().st_size for p in tmp_path.glob(".unfinished-*/*")))
        assert begun, "the download never began"
    finally:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".unfinished-")

    server.fault = None
    family.check(load("cifar10", tmp_path))
    assert left.exists()  # it may belong to a running process
    (tmp_path / "cifar-10-python.tar.gz").unlink()
    (tmp_path / family.item).unlink()
    old = time.time() - 2 * 24 * 3600
    for path in (*left.iterdir(), left):
        os.utime(path, (old, old))
    family.check(load("cifar10", tmp_path))
    assert not left.exists()  # swept, two days after anyone wrote to it


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_two_processes_at_once(monkeypatch, server, tmp_path):
    """Notebooks that run side by side may fetch the same set."""
    family = prepare("mnist", monkeypatch, server)
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                family.check(load("mnist", tmp_path))
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    statuses = [os.waitpid(child, 0)[1] for child in children]
    assert statuses == [0] * 4
    family.check(load("mnist", tmp_path))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_read_only_root(monkeypatch, server, tmp_path):
    prepare("cifar10", monkeypatch, server)
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(data.DatasetUnavailable, match="Permission denied"):
            load("cifar10", tmp_path)
    finally:
        tmp_path.chmod(0o755)


def test_root_that_is_a_file(monkeypatch, server, tmp_path):
    prepare("cifar10", monkeypatch, server)
    occupied = tmp_path / "occupied"
    occupied.write_text("not a folder")
    with pytest.raises(data.DatasetUnavailable, match="cannot be used") as error:
        load("cifar10", occupied)
    assert_one_useful_sentence(error, "cifar10")
    assert occupied.read_text() == "not a folder"


@pytest.mark.parametrize("name", [*MANUAL, "imagenet", "kitti_stereo", "kitti_flow"])
def test_sets_placed_by_hand_say_what_goes_where(name, monkeypatch, tmp_path):
    with pytest.raises(data.DatasetUnavailable) as error:
        load(name, tmp_path)
    assert_one_useful_sentence(error, name)
    assert str(tmp_path) in str(error.value)
    assert any(ending in str(error.value) for ending in (".zip", ".tgz", ".tar"))


@pytest.mark.parametrize("name", ["voc_detection", "kitti", "cityscapes", "coco_detection"])
def test_folders_unpacked_by_hand(name, monkeypatch, server, tmp_path):
    """Without archive and record the images are read, and refused if they do not decode."""
    family = prepare(name, monkeypatch, server)
    family.place(tmp_path)
    load(name, tmp_path)
    for archive in family.archives:
        (tmp_path / family.folder / archive).unlink()
        (tmp_path / family.folder / f".{archive}.unpacked.json").unlink()
    dataset = load(name, tmp_path)
    family.check(dataset)
    assert server.requests == []
    item = tmp_path / family.item
    item.write_bytes(item.read_bytes()[:-40])
    with pytest.raises(data.DatasetUnavailable, match="removed"):
        list(dataset)
    assert not item.exists()


def test_default_root(monkeypatch, server, tmp_path):
    family = prepare("mnist", monkeypatch, server)
    family.place(tmp_path / "default")  # where the fixture's CVLAB_DATA points
    family.check(data.mnist())
    monkeypatch.delenv("CVLAB_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    family.place(tmp_path / "cache" / "cvlab")
    family.check(data.mnist())
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    family.place(tmp_path / "home" / ".cache" / "cvlab")
    family.check(data.mnist())
    assert server.requests == []


def test_root_of_the_wrong_type():
    with pytest.raises(TypeError, match="root must be the path of a folder, not int"):
        data.mnist(root=3)


@pytest.mark.parametrize("name", [*FAMILIES, "imagenet", "kitti_stereo", "kitti_flow"])
def test_unknown_split(name):
    with pytest.raises(ValueError, match="has no split 'tset'; choose"):
        getattr(data, name)(split="tset")


def test_unknown_year():
    with pytest.raises(ValueError, match="has no year '1999'"):
        data.voc_detection(year="1999")


def test_every_substitute_exists():
    cards = data_files.CARDS.values()
    assert {card.name for card in cards} == {*FAMILIES, "imagenet", "kitti_stereo", "kitti_flow"}
    for card in cards:
        module, _, call = card.substitute.partition(".")
        assert module in ("data", "cvlab")
        if module == "data":
            assert len(eval(call, vars(data))) > 0
        else:
            scenes = pytest.importorskip("cvlab.scenes")
            shrunk = call.replace("1000", "2").removeprefix("scenes.")
            assert len(eval(shrunk, vars(scenes))) == 2


def imagenet_files(patch: pytest.MonkeyPatch) -> dict[str, bytes]:
    from scipy.io import savemat
    from torchvision.datasets import imagenet

    fields = ("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children")
    rows = [
        (1, "n02", "tench, Tinca tinca", "-", 0),
        (2, "n01", "goldfish", "-", 0),
        (3, "n09", "fish", "-", 2),
    ]
    synsets = np.array(rows, dtype=[(field, object) for field in fields])
    meta = io.BytesIO()
    savemat(meta, {"synsets": synsets})
    picture = encoded(noise_image((20, 30, 3)), "JPEG")
    devkit = {
        "ILSVRC2012_devkit_t12/data/meta.mat": meta.getvalue(),
        "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt": b"1\n2\n1\n",
    }
    validation = {f"ILSVRC2012_val_{k:08d}.JPEG": picture for k in (1, 2, 3)}
    training = {f"{w}.tar": tarred({f"{w}_1.JPEG": picture}) for w in ("n01", "n02")}
    contents = {
        "devkit": tarred(devkit, "w:gz"),
        "val": tarred(validation),
        "train": tarred(training),
    }
    table = {part: (imagenet.ARCHIVE_META[part][0], md5(c)) for part, c in contents.items()}
    patch.setattr(imagenet, "ARCHIVE_META", table)
    return {table[part][0]: content for part, content in contents.items()}


def test_imagenet(monkeypatch, tmp_path):
    folder = tmp_path / "imagenet"
    folder.mkdir()
    files = imagenet_files(monkeypatch)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    validation, training = data.imagenet("val", tmp_path), data.imagenet("train", tmp_path)
    assert validation.class_names == ("goldfish", "tench, Tinca tinca")
    assert sorted(label for _, label in validation) == [0, 1, 1]
    assert [label for _, label in training] == [0, 1]
    assert training[0][0].shape == (20, 30, 3)

    # Half a summary of the devkit, as a killed process leaves it, is made again.
    meta = folder / "meta.bin"
    meta.write_bytes(meta.read_bytes()[:50])
    assert data.imagenet("val", tmp_path).class_names == validation.class_names


def test_imagenet_damaged_or_killed(monkeypatch, tmp_path):
    from torchvision.datasets import imagenet

    folder = tmp_path / "imagenet"
    folder.mkdir()
    files = imagenet_files(monkeypatch)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    archive = folder / "ILSVRC2012_img_val.tar"
    archive.write_bytes(altered(files[archive.name]))
    with pytest.raises(data.DatasetUnavailable, match="checksum and was removed") as error:
        data.imagenet("val", tmp_path)
    assert_one_useful_sentence(error, "imagenet")
    assert not archive.exists()
    assert not (folder / "val").exists()

    extract = imagenet.extract_archive

    def killed(from_path: str, to_path: str, *args: object, **kwargs: object) -> None:
        extract(from_path, to_path, *args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(imagenet, "extract_archive", killed)
    with pytest.raises(KeyboardInterrupt):
        data.imagenet("train", tmp_path)
    assert not (folder / "train").exists()
    monkeypatch.setattr(imagenet, "extract_archive", extract)
    assert len(data.imagenet("train", tmp_path)) == 2


def test_kitti_stereo(tmp_path):
    folder = tmp_path / "Kitti2015" / "training"
    disparity = np.array([[0, 256], [640, 25600]], dtype=np.uint16)
    left, right = noise_image((2, 2, 3), 1), noise_image((2, 2, 3), 2)
    for name, content in {
        "image_2/000000_10.png": encoded(left, "PNG"),
        "image_3/000000_10.png": encoded(right, "PNG"),
        "disp_occ_0/000000_10.png": png16(disparity),
        "disp_occ_1/000000_10.png": png16(disparity),
    }.items():
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(content)
    image, target = data.kitti_stereo(root=tmp_path)[0]
    np.testing.assert_array_equal(image, left.astype(np.float32) / 255)
    np.testing.assert_array_equal(target["right"], right.astype(np.float32) / 255)
    np.testing.assert_array_equal(target["disparity"], [[0, 1], [2.5, 100]])
    np.testing.assert_array_equal(target["valid"], [[False, True], [True, True]])
    assert target["disparity"].dtype == np.float32

    (folder / "image_3/000000_10.png").unlink()
    with pytest.raises(data.DatasetUnavailable, match="unpack the whole archive"):
        data.kitti_stereo(root=tmp_path)


@pytest.mark.filterwarnings("ignore:The image decoding:DeprecationWarning")
def test_kitti_flow(tmp_path):
    folder = tmp_path / "KittiFlow" / "training"
    frames = [noise_image((2, 2, 3), k) for k in range(2)]
    flow = np.array([[[1.5, -2], [0, 0]], [[100, 3], [7, 7]]])
    valid = np.array([[1, 1], [1, 0]])
    stored = np.concatenate([flow * 64 + 2**15, valid[..., None]], axis=2).astype(np.uint16)
    for name, content in {
        "image_2/000000_10.png": encoded(frames[0], "PNG"),
        "image_2/000000_11.png": encoded(frames[1], "PNG"),
        "flow_occ/000000_10.png": png16(stored),
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    dataset = data.kitti_flow(root=tmp_path)
    image, target = dataset[0]
    np.testing.assert_array_equal(image, frames[0].astype(np.float32) / 255)
    np.testing.assert_array_equal(target["second"], frames[1].astype(np.float32) / 255)
    np.testing.assert_array_equal(target["flow"], flow * valid[..., None])
    np.testing.assert_array_equal(target["valid"], valid.astype(bool))
    assert tuple(dataset.torch()[0][1]["flow"].shape) == (2, 2, 2)

    (folder / "flow_occ/000000_10.png").unlink()
    with pytest.raises(data.DatasetUnavailable, match="1 frame pairs have 0 flow maps"):
        data.kitti_flow(root=tmp_path)


@pytest.mark.parametrize("name", ["voc_detection", "voc_segmentation", "kitti", "celeba"])
def test_torch_view_of_a_full_set(name, monkeypatch, server, tmp_path):
    """Workers receive the view pickled; it must survive that with its targets as tensors."""
    import torch

    prepare(name, monkeypatch, server).place(tmp_path)
    dataset = load(name, tmp_path)
    view = pickle.loads(pickle.dumps(dataset.torch()))
    image, target = view[0]
    expected_image, expected = dataset[0]
    np.testing.assert_array_equal(image.permute(1, 2, 0).numpy(), expected_image)
    pairs = (
        [(target[k], expected[k]) for k in expected]
        if isinstance(expected, dict)
        else [(target, expected)]
    )
    for tensor, array in pairs:
        if isinstance(array, np.ndarray):
            assert isinstance(tensor, torch.Tensor)
            np.testing.assert_array_equal(tensor.numpy(), array)
        else:
            assert tensor == array

"""Files of the full sets: downloaded, verified, unpacked, recorded, read, refused if damaged."""

from __future__ import annotations

import contextlib
import csv
import errno
import gzip
import http.client
import json
import os
import pickle
import shutil
import socket
import tarfile
import tempfile
import time
import urllib.error
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cvlab.data.dataset import Card, Dataset, unit_image

with open(Path(__file__).with_name("full_sets.csv"), encoding="utf-8", newline="") as _table:
    _rows = [{**row, "megabytes": int(row["megabytes"])} for row in csv.DictReader(_table)]
CARDS = {row["name"]: Card(**row) for row in _rows}

_only_here: ContextVar[bool] = ContextVar("only_here", default=False)
TIMEOUT = 10.0  # seconds without an answer before a server counts as unreachable

# What a damaged archive raises when it is unpacked; RuntimeError is also torchvision's word for a
# checksum that does not agree.
DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile),
    *(zlib.error, EOFError, RuntimeError),
)


class DatasetUnavailable(RuntimeError):
    """A full data set that is neither on this machine nor to be had, or a damaged file of one.

    The message is one sentence: the set, the reason, where to place its files by hand, and the
    embedded data to use instead.

    >>> issubclass(DatasetUnavailable, RuntimeError)
    True
    """


class Refused(Exception):
    """Why a set cannot be had, as the middle of a sentence."""


@contextlib.contextmanager
def offline() -> Iterator[None]:
    """Take full sets from this machine only: what is not here is unavailable, never downloaded.

    For pages that use a full set where it is, and go on without it where it is not.

    >>> with offline():
    ...     mnist = CARDS["mnist"].title  # data.mnist() would raise DatasetUnavailable here
    """
    token = _only_here.set(True)
    try:
        yield
    finally:
        _only_here.reset(token)


@dataclass(frozen=True)
class File:
    """One file of a full set.

    Attributes:
        path: where it lies.
        md5: its checksum; None where torchvision knows none.
        urls: its mirrors; without one it is placed by hand.
        into: the folder that an archive is unpacked into; None for a plain file.
        contents: files and folders that show that it was unpacked, with the checksum of each, or
            None. These files are compared on every load, others each before it is decoded.
        kept: whether the archive must stay although it was unpacked.
    """

    path: Path
    md5: str | None = None
    urls: Sequence[str] = ()
    into: Path | None = None
    contents: Mapping[Path, str | None] = field(default_factory=dict)
    kept: bool = False

    @property
    def record(self) -> Path:
        """Where the size and CRC-32 of each unpacked file are noted."""
        return self.path.with_name(f".{self.path.name}.unpacked.json")


def data_folder(card: Card, split: str, root: str | os.PathLike[str] | None) -> Path:
    """Check the arguments that every full set takes, and return the folder of all data."""
    if split not in card.splits.split():
        allowed = card.splits.replace(" ", " or ")
        raise ValueError(f"{card.name} has no split {split!r}; choose {allowed}.")
    if root is None:
        cache = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
        root = os.environ.get("CVLAB_DATA") or Path(cache) / "cvlab"
    if not isinstance(root, (str, os.PathLike)):
        raise TypeError(f"root must be the path of a folder, not {type(root).__name__}.")
    return Path(root).expanduser().absolute()


def plain_zips(folder: Path, contents: dict[str, Path], server: str = "") -> list[File]:
    """List archives without a checksum, by name or address, with what shows each is unpacked."""
    files = []
    for name, shown in contents.items():
        urls = [server + name] if server else []
        files.append(File(folder / Path(name).name, None, urls, folder, {shown: None}))
    return files


def obtain(card: Card, files: Sequence[File]) -> dict[str, tuple[int, int]]:
    """Have every file verified and unpacked, downloading what is missing.

    Returns the recorded size and CRC-32 of each unpacked file, by its path; a file that cannot be
    had raises ``DatasetUnavailable``.
    """
    folder = files[0].path.parent
    announced = False
    with explained(card, by_hand(card, [file.path.name for file in files], folder)):
        for file in files:
            problem = _problem(file)
            if problem and file.urls and not _only_here.get():
                if not announced:
                    _announce(card, folder)
                    announced = True
                _download(file)
                problem = _problem(file)
            if problem:
                raise Refused(problem)
    return {
        str(file.into / name): (size, crc)
        for file in files
        if file.into is not None
        for name, (size, crc) in _read_record(file).items()
    }


def by_hand(card: Card, names: Sequence[str], folder: Path) -> str:
    """Say which files to place where."""
    return f"place {' and '.join(names)} (from {card.source}) in {folder} by hand"


@contextlib.contextmanager
def explained(card: Card, advice: str) -> Iterator[None]:
    """Turn any failure to get or read the files of a set into ``DatasetUnavailable``."""
    try:
        yield
    except (Refused, OSError) as error:
        reason = " ".join(_explain(error).split()).rstrip(".")
        raise DatasetUnavailable(
            f"{card.title} is unavailable because {reason}: {advice}, "
            f"or use {card.substitute} instead."
        ) from error


@contextlib.contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Make a folder for unfinished files, gone afterwards; nothing in it is ever read as data."""
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(".unfinished-*"):
        # A killed process left it, unless somebody still writes to it or removes it now.
        with contextlib.suppress(FileNotFoundError):
            touched = max(path.stat().st_mtime for path in (left, *left.iterdir()))
            if time.time() - touched > 24 * 3600:
                shutil.rmtree(left, ignore_errors=True)
    aside = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder))
    try:
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def unpack_imagenet(folder: Path, part: str) -> None:
    """Have torchvision verify and unpack one archive, unless that was done before."""
    from torchvision.datasets import imagenet as reader

    archive = folder / reader.ARCHIVE_META[part][0]
    if part == "devkit":
        with contextlib.suppress(RuntimeError, EOFError, pickle.UnpicklingError):
            reader.load_meta_file(str(folder))
            return
        # Not there, or written in part by a process that was killed.
        (folder / reader.META_FILE).unlink(missing_ok=True)
    elif (folder / part).is_dir():
        return
    if not archive.is_file():
        raise Refused(f"{archive.name} is missing")
    try:
        if part == "devkit":
            reader.parse_devkit_archive(str(folder))
            return
        unpack = reader.parse_train_archive if part == "train" else reader.parse_val_archive
        with staging(folder) as aside:
            unpack(str(folder), folder=str(aside / part))
            (aside / part).rename(folder / part)
    except DAMAGED as error:
        remove(archive)
        raise Refused(f"{archive.name} did not match its checksum and was removed") from error


@dataclass(frozen=True)
class _FromFiles:
    """Reads item i of a torchvision set, after a look at each file that it is about to decode."""

    card: Card
    source: Any
    paths: Sequence[tuple[str, ...]]
    target: Callable[..., Any]
    recorded: dict[str, tuple[int, int]]

    def __call__(self, i: int) -> tuple[np.ndarray, Any]:
        for path in self.paths[i]:
            check_file(self.card, Path(path), self.recorded.get(os.path.normpath(path)))
        picture, *target = self.source[i]
        return unit_image(picture), self.target(*target)


def from_files(
    card: Card,
    class_names: Sequence[str],
    source: Any,
    paths: Sequence[tuple[str, ...]],
    target: Callable[..., Any],
    recorded: dict[str, tuple[int, int]],
    labels: Sequence[int] | None = None,
) -> Dataset:
    """Make a set of images in files.

    Item i of ``source`` is a picture and what ``target`` converts to its target; it is decoded from
    ``paths[i]``. ``recorded`` is what ``obtain`` returned.
    """
    reader = _FromFiles(card, source, paths, target, recorded)
    # torchvision lists some sets in the order of the directory, which is anybody's guess.
    order = sorted(range(len(paths)), key=paths.__getitem__)
    return Dataset(card, class_names, reader, order, labels)


def remove(path: Path) -> None:
    """Remove a damaged file and say so; ``Refused`` if it stays."""
    try:
        path.unlink()
    except OSError as error:
        raise Refused(
            f"{path} is truncated or altered and could not be removed ({error.strerror})"
        ) from error
    print(f"Removed {path.name}, which was truncated or altered.", flush=True)


def _problem(file: File) -> str | None:
    """Verify a file that is here and unpack it; None once it is ready, or why it is not."""
    from torchvision.datasets.utils import check_integrity

    unpacked = file.into is not None and _is_unpacked(file)
    if unpacked and not file.kept:
        return None
    if not file.path.is_file():
        return f"{file.path.name} is missing"
    if not check_integrity(str(file.path), file.md5):
        remove(file.path)
        return f"{file.path.name} did not match its checksum and was removed"
    if file.into is None or unpacked or unpack(file):
        return None
    return f"{file.path.name} was truncated or altered and was removed"


def _is_unpacked(file: File) -> bool:
    """Whether what was unpacked is there; altered files that are decoded whole are removed."""
    from torchvision.datasets.utils import check_integrity

    for path, md5 in file.contents.items():
        if md5 is not None and path.is_file() and not check_integrity(str(path), md5):
            remove(path)
    record = _read_record(file)
    if not record:
        # Neither an archive nor a note of ours: the reader unpacked it. Where its files carry no
        # checksum, each is only tried for decoding.
        contents_here = bool(file.contents) and all(path.exists() for path in file.contents)
        return contents_here and not file.path.exists()
    for name, (size, crc) in record.items():
        path = file.into / name
        if not path.is_file():
            return False
        if path.stat().st_size != size or (path in file.contents and _crc32(path) != crc):
            remove(path)
            return False
    return True


def _announce(card: Card, folder: Path) -> None:
    """Say what is about to be downloaded, after a look at the room for it."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    needed, left = card.megabytes, free / 1e6
    size, room = (f"{m / 1000:.1f} GB" if m >= 1000 else f"{m:.0f} MB" for m in (needed, left))
    if left < needed:
        raise Refused(f"the download takes {size} and only {room} are free in {existing}")
    print(f"{card.title}: downloading {size} from {card.source} to {folder}.", flush=True)


def _download(file: File) -> None:
    """Fetch one file through torchvision, from the first of its mirrors that delivers it."""
    from torchvision.datasets.utils import download_url

    reasons = []
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        for url in file.urls:
            with staging(file.path.parent) as aside:
                try:
                    download_url(url, str(aside), file.path.name, file.md5)
                    os.replace(aside / file.path.name, file.path)
                    return
                except (OSError, RuntimeError, http.client.HTTPException, ValueError) as error:
                    reasons.append(f"{url.split('/')[2]}: {_explain(error)}")
    finally:
        socket.setdefaulttimeout(timeout)
    raise Refused(f"{file.path.name} could not be downloaded ({'; '.join(reasons)})")


def _explain(error: BaseException) -> str:
    """The cause of a failed download, unpacking or reading in a few words."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code} {error.reason}"
    if isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError):
        return f"no answer within {TIMEOUT:g} s"
    if isinstance(error, urllib.error.URLError):
        return f"the server could not be reached, {error.reason}"
    if isinstance(error, (http.client.HTTPException, ConnectionError)):
        return f"the connection broke, {type(error).__name__}"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"the disk is full, {error.strerror}"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename} cannot be used, {error.strerror}"
    if isinstance(error, RuntimeError):  # what torchvision raises
        return "what arrived does not match its checksum"
    return str(error) or type(error).__name__


def unpack(file: File) -> bool:
    """Unpack an archive aside, record what came out, and move it into place.

    Returns:
        False if the archive turned out to be damaged; then nothing of it is left.
    """
    from torchvision.datasets.utils import extract_archive

    with staging(file.into) as aside:
        contents = aside / "contents"
        contents.mkdir()
        try:
            extract_archive(str(file.path), str(contents))
        except (*DAMAGED, OSError) as error:
            # A damaged zip file may send its reader to a place before the file's beginning.
            if not isinstance(error, DAMAGED) and error.errno != errno.EINVAL:
                raise
            remove(file.path)
            return False
        paths = {p.relative_to(contents).as_posix(): p for p in contents.rglob("*") if p.is_file()}
        # Beside folders of data lie notes such as README, which sister archives overwrite.
        data = [name for name in paths if "/" in name] or list(paths)
        record = {name: (paths[name].stat().st_size, _crc32(paths[name])) for name in data}
        (aside / "record").write_text(json.dumps(record), encoding="utf-8")
        # The record comes first: a move that is cut short leaves a file missing, and is repeated.
        os.replace(aside / "record", file.record)
        for name, path in paths.items():
            (file.into / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, file.into / name)
    return True


def _read_record(file: File) -> dict[str, tuple[int, int]]:
    try:
        return json.loads(file.record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _crc32(path: Path) -> int:
    value = 0
    with open(path, "rb") as handle:
        while chunk := handle.read(1 << 20):
            value = zlib.crc32(chunk, value)
    return value


def check_file(card: Card, path: Path, recorded: tuple[int, int] | None = None) -> None:
    """Refuse and remove an unpacked file that was truncated or altered since.

    ``recorded`` is its size and CRC-32; without them it is only tried for decoding. A damaged or
    missing file raises ``DatasetUnavailable``.
    """
    with explained(card, f"call data.{card.name}() again or place the file by hand"):
        if not path.is_file():
            raise Refused(f"{path} is missing")
        if recorded is None:
            good = _is_decodable(path)
        else:
            good = path.stat().st_size == recorded[0] and _crc32(path) == recorded[1]
        if not good:
            remove(path)
            raise Refused(f"{path} was truncated or altered and was removed")


def _is_decodable(path: Path) -> bool:
    """All that can be verified of an image or annotation without a checksum."""
    from xml.etree import ElementTree

    from PIL import Image

    try:
        if path.suffix == ".xml":
            ElementTree.parse(path)
        elif path.suffix == ".json":
            json.loads(path.read_bytes())
        elif path.suffix.lower() in {".jpg", ".jpeg", ".png"}:
            with Image.open(path) as image:
                image.load()
    except Image.DecompressionBombError as error:
        raise Refused(f"{path} claims to be too large to be read ({error})") from error
    except (SyntaxError, ValueError, OSError) as error:
        if getattr(error, "errno", None):  # the disk failed, which says nothing about the file
            raise
        return False
    return True

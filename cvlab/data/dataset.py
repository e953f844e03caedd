"""The one type that every set of images has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch.utils.data


@dataclass(frozen=True)
class Card:
    """What a set says about itself; the fields after ``licence`` are those of the full sets.

    ``splits`` are separated by blanks. ``megabytes`` is the size of the download, 0 where nothing
    is downloaded. ``substitute`` is the call that makes embedded data to use instead.
    """

    name: str
    title: str
    description: str
    source: str
    licence: str
    splits: str = ""
    megabytes: int = 0
    substitute: str = ""


class Dataset:
    """A labelled set of images, read one at a time.

    ``dataset[i]`` is ``(image, target)``. The image is float32 in [0, 1], of shape (H, W) if grey
    and (H, W, 3) if RGB. The target is a class index (int), an int64 mask (H, W), or a dict; for
    detection the dict holds ``boxes`` (N, 4) float32 xyxy in pixels and ``labels`` (N,) int64.
    ``class_names[k]`` names class ``k``.

    Attributes:
        name: the function of ``cvlab.data`` that made it.
        description: what it holds, in one line.
        source: who published it, and where.
        licence: the terms of use, as far as they were stated.
        class_names: one name a class.

    >>> from cvlab import data
    >>> dataset = data.digits()
    >>> len(dataset), dataset.class_names[3]
    (1797, '3')
    >>> image, label = dataset[0]
    >>> image.shape, image.dtype, label
    ((8, 8), dtype('float32'), 0)
    """

    def __init__(
        self,
        card: Card,
        class_names: Sequence[str],
        read: Callable[[int], tuple[np.ndarray, Any]],
        indices: Sequence[int] | np.ndarray,
        labels: Sequence[int] | np.ndarray | None = None,
    ) -> None:
        self.name = card.name
        self.description = card.description
        self.source = card.source
        self.licence = card.licence
        self.class_names = tuple(class_names)
        self._card = card
        self._read = read
        self._indices = np.asarray(indices, dtype=np.int64)
        # Class of every item of the source, so that a split need not decode images.
        self._labels = None if labels is None else np.asarray(labels, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, i: int) -> tuple[np.ndarray, Any]:
        if isinstance(i, (bool, np.bool_)) or not isinstance(i, (int, np.integer)):
            raise TypeError(
                f"A Dataset is indexed by one integer, not by {type(i).__name__}; "
                "use arrays() or split() for several samples."
            )
        if not -len(self) <= i < len(self):
            raise IndexError(f"Index {i} is outside a Dataset of {len(self)} samples.")
        return self._read(int(self._indices[i]))

    def __repr__(self) -> str:
        return f"<Dataset {self.name}: {len(self)} samples, {len(self.class_names)} classes>"

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Stack the whole set in memory.

        Returns:
            images (N, H, W) or (N, H, W, 3) float32 in [0, 1], and labels (N,) int64.

        Raises:
            ValueError: if image sizes differ, or if the targets are not class indices.

        >>> from cvlab import data
        >>> images, labels = data.digits().arrays()
        >>> images.shape, labels.shape
        ((1797, 8, 8), (1797,))
        """
        if self._labels is None:
            raise ValueError(
                f"The targets of {self.name} are no class indices, so they do not stack; "
                "read the samples one at a time."
            )
        first = self[0][0]
        # Allocated once: a list of images and its stack would need twice the memory.
        images = np.empty((len(self), *first.shape), dtype=np.float32)
        for i in range(len(self)):
            image, _ = self[i]
            if image.shape != first.shape:
                raise ValueError(
                    f"The images of {self.name} differ in size ({first.shape} and {image.shape}), "
                    "so they do not stack; resize them first or read them one at a time."
                )
            images[i] = image
        return images, self._labels[self._indices]

    def split(self, *fractions: float, seed: int = 0, stratify: bool = True) -> tuple[Dataset, ...]:
        """Divide the set at random into disjoint parts that together cover it.

        Args:
            fractions: the size of each part; positive, and together 1.
            seed: the same seed gives the same parts, in the same order.
            stratify: give each part the same mix of classes, to within two samples a class. Sets
                whose targets are no class indices are divided plainly.

        Raises:
            ValueError: if the fractions are wrong, or so small that a part would be empty.

        >>> from cvlab import data
        >>> train, validation, test = data.digits().split(0.6, 0.2, 0.2, seed=0)
        >>> len(train), len(validation), len(test)
        (1078, 360, 359)
        """
        sizes = _part_sizes(len(self), fractions)
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(self))
        part = np.repeat(np.arange(len(sizes)), sizes)
        if stratify and self._labels is not None:
            order = order[np.argsort(self._labels[self._indices[order]], kind="stable")]
            # Spread the parts evenly along the samples sorted by class: sample i of a part of n
            # belongs at (i + 1/2) / n of the way, so every run of one class gets its share.
            ideal = np.concatenate([(np.arange(n) + 0.5) / n for n in sizes])
            part = part[np.argsort(ideal, kind="stable")]
        chosen = [rng.permutation(self._indices[order[part == k]]) for k in range(len(sizes))]
        return tuple(
            Dataset(self._card, self.class_names, self._read, indices, self._labels)
            for indices in chosen
        )

    def torch(
        self, transform: Callable[[torch.Tensor], Any] | None = None
    ) -> torch.utils.data.Dataset:
        """View the set as a ``torch.utils.data.Dataset``, ready for a ``DataLoader``.

        Each item is ``(image, target)``: the image a (C, H, W) float32 tensor in [0, 1], passed
        through ``transform`` where one is given; arrays of the target become tensors too, those of
        three dimensions with the channel first.

        >>> from cvlab import data
        >>> image, label = data.digits().torch()[0]
        >>> tuple(image.shape), str(image.dtype), label
        ((1, 8, 8), 'torch.float32', 0)
        """
        if transform is not None and not callable(transform):
            raise TypeError(f"transform must be a function, not {type(transform).__name__}.")
        return _torch_view(self, transform)


def _part_sizes(n: int, fractions: Sequence[float]) -> list[int]:
    """Whole numbers that sum to n, each within one of its fraction of n."""
    if not fractions or not all(
        isinstance(f, (int, float, np.number)) and np.isfinite(f) and f > 0 for f in fractions
    ):
        raise ValueError(f"split needs positive fractions such as 0.6, 0.2, 0.2, not {fractions}.")
    if abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(f"The fractions of split must sum to 1, not to {sum(fractions):g}.")
    edges = np.floor(np.cumsum((0.0, *fractions)) / sum(fractions) * n + 0.5).astype(int)
    sizes = np.diff(edges).tolist()
    if 0 in sizes:
        raise ValueError(
            f"Splitting {n} samples by {fractions} leaves a part empty; use fewer or larger parts."
        )
    return sizes


def _torch_view(dataset: Dataset, transform: Callable[..., Any] | None) -> Any:
    """The torch dataset itself; its class is made here because importing torch takes seconds."""
    from torch.utils.data import Dataset as TorchDataset

    class TorchView(TorchDataset):
        def __len__(self) -> int:
            return len(dataset)

        def __getitem__(self, i: int) -> tuple[Any, Any]:
            image, target = dataset[i]
            image = _to_tensor(image if image.ndim == 3 else image[..., None])
            return (image if transform is None else transform(image)), _to_tensor(target)

        def __reduce__(self) -> tuple[Any, ...]:
            # Worker processes that are spawned, not forked, cannot look up a local class.
            return _torch_view, (dataset, transform)

    return TorchView()


def _to_tensor(value: Any) -> Any:
    """Arrays to tensors, channels first; what is no array stays as it is."""
    import torch

    if isinstance(value, dict):
        return {key: _to_tensor(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        channels_first = np.moveaxis(value, -1, 0) if value.ndim == 3 else value
        return torch.from_numpy(np.array(channels_first))
    return value


@dataclass(frozen=True)
class FromArrays:
    """Reads item i of arrays in memory; a class, because workers receive it pickled."""

    images: np.ndarray
    labels: np.ndarray

    def __call__(self, i: int) -> tuple[np.ndarray, int]:
        """Return item i: image, float32 in [0, 1], and label."""
        image = self.images[i]
        # Either way a copy: the caller may write to it.
        image = unit_image(image) if image.dtype == np.uint8 else image.astype(np.float32)
        return image, int(self.labels[i])


def from_arrays(
    card: Card, class_names: Sequence[str], images: np.ndarray, labels: np.ndarray
) -> Dataset:
    """Make a set of images in memory (uint8, or float in [0, 1]) and their class indices."""
    return Dataset(card, class_names, FromArrays(images, labels), np.arange(len(images)), labels)


def unit_image(picture: Any) -> np.ndarray:
    """Turn an image from PIL or NumPy into float32 in [0, 1], whatever its depth.

    Pixels stay where the file stores them: boxes and masks of the full sets refer to these, not to
    what an EXIF tag asks a viewer to turn.

    Args:
        picture: (H, W) or (H, W, 3) of uint8, uint16 or bool, or a picture of PIL; palettes, CMYK
            and transparency become RGB or grey.

    Raises:
        TypeError: if it holds numbers of another type.

    >>> unit_image(np.array([[0, 51, 255]], dtype=np.uint8)).tolist()
    [[0.0, 0.20000000298023224, 1.0]]
    >>> float(unit_image(np.full((1, 1), 65535, dtype=np.uint16))[0, 0])
    1.0
    """
    mode = getattr(picture, "mode", None)
    if mode == "I":  # what PIL makes of a grey PNG of 16 bits in older versions
        wide = np.asarray(picture)
        if wide.size and not 0 <= wide.min() <= wide.max() <= 65535:
            raise TypeError("an image has 8 or 16 bits a value, and this one more.")
        picture = wide.astype(np.uint16)
    elif mode in ("P", "PA", "CMYK", "YCbCr", "RGBA", "RGBX"):
        picture = picture.convert("RGB")
    elif mode in ("LA", "La"):
        picture = picture.convert("L")
    array = np.asarray(picture)
    if array.dtype == np.bool_:
        return array.astype(np.float32)
    if array.dtype.kind != "u" or array.dtype.itemsize > 2:
        raise TypeError(f"an image has 8 or 16 bits a value, not {array.dtype}.")
    return array.astype(np.float32) / np.iinfo(array.dtype).max

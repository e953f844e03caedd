"""`explore`: a plain function of a few parameters becomes a set of sliders and a picture.

With a kernel the picture of the chosen values is drawn when it is first asked for and remembered.
While the book is built (``CVLAB_STATIC=1``) every picture is drawn beforehand into nested
``ipywidgets.Stack``s whose ``selected_index`` is linked in the browser to the sliders' ``index``:
the finished page answers with no kernel, no network and no JavaScript of ours. Both modes show the
same bytes for the same values.
"""

from __future__ import annotations

import base64
import html
import io
import itertools
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cvlab import plot

if TYPE_CHECKING:
    import ipywidgets
    from matplotlib.figure import Figure

__all__ = ["Explorer", "explore"]

#: More frames make a page slow to open; more bytes make it slow to load on a phone.
MAX_FRAMES = 400
MAX_BYTES = 2_000_000

_PLACEHOLDER = "…"


def explore(
    draw: Callable[..., Figure],
    *,
    alt: str | Callable[..., str],
    labels: Mapping[str, str] | None = None,
    start: Mapping[str, Any] | None = None,
    **choices: Sequence[Any] | Mapping[str, Any],
) -> Explorer:
    """Turn ``draw`` into an interactive figure with one slider for each of its parameters.

    Args:
        draw: called with one value of each control as keywords; returns a matplotlib figure. It
            must be deterministic: the book draws every combination once.
        alt: alternative text of a frame: a format string over the parameters, such as
            ``"Decision map for k = {k}"``, or a function of them. It differs between frames.
        labels: parameter name -> text beside its slider; the name itself by default.
        start: parameter name -> value shown first; the first value by default.
        choices: for each parameter the values it takes, two or more: a sequence, or a mapping from
            the text shown to the value. One to three parameters, at most 400 combinations.

    Returns:
        An `Explorer`, which displays itself as a cell's last expression.

    Raises:
        TypeError: if ``draw`` is not callable or a choice is not a sequence or mapping.
        ValueError: if there are no or too many controls, values or frames, if a value is shown
            twice, or if ``labels`` or ``start`` name something else than the choices.

    >>> def draw(k):
    ...     fig, ax = plot.figure()
    ...     ax.bar([0], [k])
    ...     return fig
    >>> explore(draw, alt="A bar of height {k}", k=[1, 2, 3])
    Explorer(k: 3 values; 3 frames)
    """
    return Explorer(draw, alt=alt, labels=labels, start=start, choices=choices)


class Explorer:
    """A function of a few parameters, its values, and the frames drawn so far.

    Attributes:
        draw: the function.
        choices: parameter -> {text shown: value}, in the order of the sliders.
        labels: parameter -> text beside its slider.
    """

    def __init__(
        self,
        draw: Callable[..., Figure],
        *,
        alt: str | Callable[..., str],
        choices: Mapping[str, Sequence[Any] | Mapping[str, Any]],
        labels: Mapping[str, str] | None = None,
        start: Mapping[str, Any] | None = None,
    ) -> None:
        if not callable(draw):
            raise TypeError(f"explore takes a function that draws, not {type(draw).__name__}.")
        if not 1 <= len(choices) <= 3:
            raise ValueError(
                f"explore takes 1 to 3 controls, not {len(choices)}: a reader turns one at a time."
            )
        self.draw = draw
        self.choices = {name: _options(name, values) for name, values in choices.items()}
        frames = math.prod(len(options) for options in self.choices.values())
        if frames > MAX_FRAMES:
            sizes = " x ".join(str(len(options)) for options in self.choices.values())
            raise ValueError(f"{sizes} = {frames} frames; the limit is {MAX_FRAMES}: offer fewer.")
        for what, given in (("labels", labels or {}), ("start", start or {})):
            unknown = set(given) - set(self.choices)
            if unknown:
                raise ValueError(f"{what} names {sorted(unknown)}, which are no controls here.")
        self.labels = {name: name.replace("_", " ") for name in self.choices} | dict(labels or {})
        self._alt = alt
        self._start = tuple(
            _position(name, options, (start or {})[name]) if name in (start or {}) else 0
            for name, options in self.choices.items()
        )
        self._frames: dict[tuple[int, ...], str] = {}
        registry.append(self)

    def __repr__(self) -> str:
        sizes = ", ".join(
            f"{name}: {len(options)} values" for name, options in self.choices.items()
        )
        return f"Explorer({sizes}; {math.prod(map(len, self.choices.values()))} frames)"

    def values_at(self, position: tuple[int, ...]) -> dict[str, Any]:
        """Return the parameters' values at one position (an index into each control)."""
        return {
            name: list(options.values())[index]
            for (name, options), index in zip(self.choices.items(), position, strict=True)
        }

    def positions(self) -> Iterator[tuple[int, ...]]:
        """Iterate over every combination of positions, the last control fastest."""
        return itertools.product(*(range(len(options)) for options in self.choices.values()))

    def frame(self, position: tuple[int, ...]) -> str:
        """Return the frame at a position as an ``<img>`` tag, drawn on first use.

        Raises:
            TypeError: if the function returns something else than a figure.
            ValueError: if the alternative text is missing.
        """
        if position not in self._frames:
            self._frames[position] = self._drawn(self.values_at(position))
        return self._frames[position]

    def _drawn(self, values: dict[str, Any]) -> str:
        from matplotlib.figure import Figure

        fig = self.draw(**values)
        if not isinstance(fig, Figure):
            raise TypeError(
                f"{getattr(self.draw, '__name__', 'draw')} must return a matplotlib Figure, "
                f"not {type(fig).__name__}."
            )
        alt = self._alt(**values) if callable(self._alt) else self._alt.format(**values)
        alt = plot._checked_alt(alt)
        pixels = plot.rasterise(fig)
        plot._close(fig)
        return (
            f'<img class="cvlab-frame" alt="{html.escape(alt)}" width="{pixels.shape[1]}" '
            f'height="{pixels.shape[0]}" src="{encode_webp(pixels)}">'
        )

    def widget(self, *, static: bool | None = None) -> ipywidgets.Widget:
        """Build the widget: complete if ``static``, lazy otherwise.

        Args:
            static: by default true while the book is built (``CVLAB_STATIC=1``).

        Raises:
            ValueError: if the frames together exceed the 2 MB that a page may carry.
        """
        if static is None:
            static = os.environ.get("CVLAB_STATIC") == "1"
        sliders = self._sliders()
        picture = self._static_picture(sliders) if static else self._live_picture(sliders)
        import ipywidgets

        box = ipywidgets.VBox([*sliders, picture])
        box.add_class("cvlab-explore")
        return box

    def _sliders(self) -> list[ipywidgets.SelectionSlider]:
        import ipywidgets

        style = {"description_width": "initial"}
        # One layout for all, or each slider would carry its own through the page.
        layout = ipywidgets.Layout(width="100%", max_width="560px")
        return [
            ipywidgets.SelectionSlider(
                options=[(text, index) for index, text in enumerate(options)],
                index=first,
                description=self.labels[name],
                style=style,
                layout=layout,
            )
            for (name, options), first in zip(self.choices.items(), self._start, strict=True)
        ]

    def _static_picture(self, sliders: list[ipywidgets.SelectionSlider]) -> ipywidgets.Widget:
        import ipywidgets

        frames = {position: self.frame(position) for position in self.positions()}
        _check_alternatives(frames)
        weight = sum(len(frame) for frame in frames.values())
        if weight > MAX_BYTES:
            raise ValueError(
                f"the frames weigh {weight / 1e6:.1f} MB and a page may carry "
                f"{MAX_BYTES / 1e6:.0f} MB: draw them smaller or offer fewer values."
            )
        # Shared, so that 400 frames do not bring 800 more models into the page.
        layout, style = ipywidgets.Layout(), ipywidgets.HTML().style

        def stack(prefix: tuple[int, ...]) -> ipywidgets.Widget:
            if len(prefix) == len(sliders):
                return ipywidgets.HTML(frames[prefix], layout=layout, style=style)
            slider = sliders[len(prefix)]
            children = [stack((*prefix, index)) for index in range(len(slider.options))]
            nested = ipywidgets.Stack(children, selected_index=slider.index, layout=layout)
            ipywidgets.jslink((slider, "index"), (nested, "selected_index"))
            return nested

        return stack(())

    def _live_picture(self, sliders: list[ipywidgets.SelectionSlider]) -> ipywidgets.Widget:
        import ipywidgets

        picture = ipywidgets.HTML(_PLACEHOLDER)

        def update(_change: object = None) -> None:
            position = tuple(slider.index for slider in sliders)
            try:
                picture.value = self.frame(position)
            except Exception as error:
                # An exception in a callback would vanish into the log of the front end.
                sentence = html.escape(f"{type(error).__name__}: {error}")
                picture.value = f'<pre class="cvlab-error">{sentence}</pre>'

        for slider in sliders:
            slider.observe(update, names="index")
        # The first frame is drawn outside `update`, so that a faulty function fails its cell.
        picture.value = self.frame(tuple(slider.index for slider in sliders))
        return picture

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.widget())

    def proof(self) -> list[dict[str, Any]]:
        """Draw afresh the first, middle and last value of each control, the others at their start.

        The tests compare these frames, drawn from the values alone, with what the page shows.

        Returns:
            One ``{"position": [...], "values": {...}, "frame": "<img ...>"}`` for each.
        """
        found = []
        for axis, options in enumerate(self.choices.values()):
            for index in sorted({0, len(options) // 2, len(options) - 1}):
                position = list(self._start)
                position[axis] = index
                values = self.values_at(tuple(position))
                shown = {name: str(value) for name, value in values.items()}
                found.append({"position": position, "values": shown, "frame": self._drawn(values)})
        return found


#: Every explorer made in this process, in order; the book's builder asks them for their proof.
registry: list[Explorer] = []


def _check_alternatives(frames: Mapping[tuple[int, ...], str]) -> None:
    """Refuse one text for two pictures: a reader who cannot see them would notice no change."""
    pictures: dict[str, str] = {}
    for frame in frames.values():
        alt, _, picture = frame.partition(" width=")
        if pictures.setdefault(alt, picture) != picture:
            raise ValueError(
                f"two different frames have the same alternative text, {html.unescape(alt)!r}: "
                "let it name the values or what is seen."
            )


def _options(name: str, values: Sequence[Any] | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(values, Mapping):
        options = {str(text): value for text, value in values.items()}
        count = len(values)
    elif isinstance(values, (str, bytes)) or not hasattr(values, "__len__"):
        raise TypeError(f"the values of {name!r} must be a list or a mapping from text to value.")
    else:
        plain = [value.item() if isinstance(value, np.generic) else value for value in values]
        options = {_text(value): value for value in plain}
        count = len(plain)
    if count < 2:
        raise ValueError(f"{name!r} needs at least two values to choose from, not {count}.")
    if len(options) != count:
        raise ValueError(f"two values of {name!r} look the same to the reader; give a mapping.")
    return options


def _text(value: Any) -> str:
    if isinstance(value, float):
        return "∞" if math.isinf(value) and value > 0 else f"{value:g}"
    return str(value)


def _position(name: str, options: Mapping[str, Any], wanted: Any) -> int:
    for index, (text, value) in enumerate(options.items()):
        if value is wanted or text == wanted:
            return index
        if isinstance(value, (int, float, str)) and value == wanted:
            return index
    raise ValueError(f"start gives {name} = {wanted!r}, which is not among its values.")


def encode_webp(pixels: np.ndarray) -> str:
    """Encode uint8 pixels (H, W, 3) as a data URL in WebP, light and deterministic.

    A plot goes to a palette of 64 colours and is then kept without loss, which leaves lines and
    letters sharp; a photograph, which such a palette would posterise, to the lossy mode.
    """
    from PIL import Image

    image = Image.fromarray(pixels)
    # Median cut would merge the rare colour of a thin line into a frequent one.
    palette = image.quantize(64, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).convert("RGB")
    error = np.abs(np.asarray(palette, dtype=np.int16) - pixels).mean()
    buffer = io.BytesIO()
    if error < 2:  # of 255, over all pixels
        palette.save(buffer, "WEBP", lossless=True, quality=60, method=4)
    else:
        image.save(buffer, "WEBP", quality=76, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")

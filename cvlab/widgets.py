"""`explore`: a plain function of a few parameters becomes a set of sliders and a picture.

With a kernel the picture of the chosen values is drawn when it is first asked for and remembered,
and the controls are ipywidgets. While the book is built (``CVLAB_STATIC=1``) every picture is drawn
beforehand and the controls are plain HTML, to which ``book/assets/explore.js`` answers: the page
needs no kernel, no network and no library. Both modes show the same bytes for the same values.
"""

from __future__ import annotations

import html
import itertools
import json
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cvlab import markup

if TYPE_CHECKING:
    import ipywidgets
    from matplotlib.figure import Figure

__all__ = ["Explorer", "explore"]

#: More frames make a page slow to open; more bytes make it slow to load on a phone.
MAX_FRAMES = 400
MAX_BYTES = 2_000_000

#: Beyond this many names a list takes less room than radio buttons.
MAX_RADIO = 6

_PLACEHOLDER = "…"
#: Where a slider of ipywidgets has its track: between its label and the room for its value.
_WIDE = "display:flex;flex:1;justify-content:space-between;margin:0 84px 0 10px"
_NUMBER = re.compile(r"[-−+]?[.\d∞]")  # how the text of a value begins that has an order
_ALT = re.compile(r' alt="([^"]*)"')


def explore(
    draw: Callable[..., Figure],
    *,
    alt: str | Callable[..., str],
    labels: Mapping[str, str] | None = None,
    start: Mapping[str, Any] | None = None,
    **choices: Sequence[Any] | Mapping[str, Any],
) -> Explorer:
    """Turn ``draw`` into an interactive figure with one control for each of its parameters.

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

    >>> from cvlab import plot
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
        # A slider has many frames: fewer colours, as a laptop shows them.
        return markup.html_of(fig, markup.checked_alt(alt), "cvlab-frame", colours=64, quality=70)

    def page(self) -> str:
        """Return the explorer for a page without a kernel, as HTML.

        Returns:
            Controls of the browser's own, the frame shown first, a sentence for readers on paper or
            without scripts, and every frame in the order of `positions`, as JSON.

        Raises:
            ValueError: if the frames together exceed the 2 MB that a page may carry, or two
                different ones have the same alternative text.
        """
        frames = {position: self.frame(position) for position in self.positions()}
        _check_alternatives(frames)
        weight = sum(len(frame) for frame in frames.values())
        if weight > MAX_BYTES:
            raise ValueError(
                f"the frames weigh {weight / 1e6:.1f} MB and a page may carry "
                f"{MAX_BYTES / 1e6:.0f} MB: draw them smaller or offer fewer values."
            )
        key = f"explore-{registry.index(self)}"
        controls = [
            _control(f"{key}-{axis}", self.labels[name], list(options), self._start[axis])
            for axis, (name, options) in enumerate(self.choices.items())
        ]
        shown = ", ".join(
            f"{self.labels[name]}: {list(options)[first]}"
            for (name, options), first in zip(self.choices.items(), self._start, strict=True)
        )
        # A closing tag inside the script would end it.
        listed = json.dumps(list(frames.values()), ensure_ascii=False).replace("</", "<\\/")
        return (
            f'<div class="cvlab-explore">{"".join(controls)}'
            f'<div class="cvlab-picture">{frames[self._start]}</div>'
            f'<p class="cvlab-still">The figure at {html.escape(shown)}. Its controls need a '
            "screen and scripts.</p>"
            f'<script type="application/json" class="cvlab-frames">{listed}</script></div>'
        )

    def widget(self) -> ipywidgets.Widget:
        """Build the widget for a kernel, which draws a frame when it is asked for."""
        starts = zip(self.choices, self._start, strict=True)
        selectors = [self._selector(name, first) for name, first in starts]
        picture = self._live_picture(selectors)
        import ipywidgets

        box = ipywidgets.VBox([*map(_with_ends, selectors), picture])
        box.add_class("cvlab-explore")
        return box

    def _selector(self, name: str, first: int) -> ipywidgets.Widget:
        """Return a slider for values that have an order, radio buttons or a list for names."""
        import ipywidgets

        texts = list(self.choices[name])
        options = [(text, index) for index, text in enumerate(texts)]
        style = {"description_width": "initial"}
        settings = {"options": options, "index": first, "style": style}
        if _in_order(texts):
            layout = ipywidgets.Layout(width="100%", max_width="560px")
            kind = ipywidgets.SelectionSlider
        else:
            layout = ipywidgets.Layout(width="auto", max_width="100%")
            kind = ipywidgets.RadioButtons if len(texts) <= MAX_RADIO else ipywidgets.Dropdown
        return kind(description=self.labels[name], layout=layout, **settings)

    def _live_picture(self, selectors: list[ipywidgets.Widget]) -> ipywidgets.Widget:
        import ipywidgets

        picture = ipywidgets.HTML(_PLACEHOLDER)

        def update(_change: object = None) -> None:
            position = tuple(selector.index for selector in selectors)
            try:
                picture.value = self.frame(position)
            except Exception as error:
                # An exception in a callback would vanish into the log of the front end.
                sentence = html.escape(f"{type(error).__name__}: {error}")
                picture.value = f'<pre class="cvlab-error">{sentence}</pre>'

        for selector in selectors:
            selector.observe(update, names="index")
        # The first frame is drawn outside `update`, so that a faulty function fails its cell.
        picture.value = self.frame(tuple(selector.index for selector in selectors))
        return picture

    def _ipython_display_(self) -> None:
        from IPython.display import display

        if os.environ.get("CVLAB_STATIC") == "1":
            display({"text/html": self.page(), "text/plain": repr(self)}, raw=True)
        else:
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
        alt = _ALT.search(frame)[1]
        picture = _ALT.sub("", frame)
        if pictures.setdefault(alt, picture) != picture:
            raise ValueError(
                f"two different frames have the same alternative text, {html.unescape(alt)!r}: "
                "let it name the values or what is seen."
            )


def _in_order(texts: Sequence[str]) -> bool:
    """Say whether values have an order, so that a slider suits them; names have none."""
    return all(_NUMBER.match(text) for text in texts)


def _ends(texts: Sequence[str]) -> str:
    """Return the ends of a slider's track, which stand below it."""
    first, last = (html.escape(texts[end]) for end in (0, -1))
    return (
        f'<div class="cvlab-ends" aria-hidden="true"><span>{first}</span><span>{last}</span></div>'
    )


def _control(key: str, label: str, texts: list[str], first: int) -> str:
    """Return a control of the browser's own: a slider, radio buttons or a list, as `_selector`."""
    label, shown = html.escape(label), [html.escape(text) for text in texts]
    if _in_order(texts):
        values = html.escape(json.dumps(texts, ensure_ascii=False))
        return (
            f'<div class="cvlab-control"><label for="{key}">{label}</label>'
            f'<span class="cvlab-readout" aria-hidden="true">{shown[first]}</span>'
            f'<input type="range" id="{key}" min="0" max="{len(texts) - 1}" value="{first}" '
            f'autocomplete="off" aria-valuetext="{shown[first]}" data-values="{values}">'
            f"{_ends(texts)}</div>"
        )
    if len(texts) <= MAX_RADIO:
        buttons = [
            f'<label><input type="radio" name="{key}" value="{index}" autocomplete="off"'
            f"{' checked' * (index == first)}>{text}</label>"
            for index, text in enumerate(shown)
        ]
        return (
            f'<fieldset class="cvlab-control"><legend>{label}</legend>{"".join(buttons)}</fieldset>'
        )
    options = [
        f'<option value="{index}"{" selected" * (index == first)}>{text}</option>'
        for index, text in enumerate(shown)
    ]
    return (
        f'<div class="cvlab-control"><label for="{key}">{label}</label>'
        f'<select id="{key}" autocomplete="off">{"".join(options)}</select></div>'
    )


def _with_ends(selector: ipywidgets.Widget) -> ipywidgets.Widget:
    """Put the ends of a slider's track below it; names need none."""
    import ipywidgets

    if not isinstance(selector, ipywidgets.SelectionSlider):
        return selector
    # No style sheet of the course is in a notebook: the style is the element's own.
    track = _ends([text for text, _ in selector.options]).replace("<div ", f'<div style="{_WIDE}" ')
    label = f'<span style="visibility:hidden">{html.escape(selector.description)}</span>'
    value = '<div aria-hidden="true" style="display:flex;line-height:1">' + label + track + "</div>"
    layout = ipywidgets.Layout(width=selector.layout.width, max_width=selector.layout.max_width)
    ends = ipywidgets.HTML(value, layout=layout)
    control = ipywidgets.VBox([selector, ends])
    control.add_class("cvlab-control")
    return control


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

"""Plain data across the pipe between a box and the judge.

In the box, `encode` turns what an instructor's probe returned into bytes and `write_message` sends
them. In the judge, `read_message` and `decode` read bytes that may be forged from first to last.
Decoding makes values of plain types only, calls nothing that the bytes name, and knows before it
allocates how much it will need. It gives a value or an `WireError` with one sentence.

What crosses: None, bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset;
scalars and arrays of NumPy, of booleans, integers, floats and complex numbers; tensors and
parameters of torch, which arrive as arrays, bfloat16 as float32. Types are exact: a subclass is
refused, since its methods may lie, and so are named tuples and data classes: return a tuple or a
dict.
Two reductions only: ``numpy.str_`` and ``numpy.bytes_`` become str and bytes, and a NumPy scalar as
a key or in a set becomes the Python number that is equal to it. Keys and elements of sets are plain
scalars but not nan, or tuples and frozensets of these.

`decoder` is the page for whoever asks what a forger can do, with the format's grammar; `encoder` is
its other half, in a box; `stream` sends messages over a socket; `caps` holds what all three share.

>>> decode(encode({"iou": [0.5, None], 3: (True, "box")}))
{'iou': [0.5, None], 3: (True, 'box')}
"""

from cvlab.checking.wire.caps import (
    CAPS,
    DIMENSIONS,
    Caps,
    ExchangeTooLarge,
    Value,
    WireClosed,
    WireError,
    WireTimeout,
)
from cvlab.checking.wire.decoder import decode
from cvlab.checking.wire.encoder import encode
from cvlab.checking.wire.stream import HEADER, read_message, write_message

__all__ = [
    "CAPS",
    "DIMENSIONS",
    "HEADER",
    "Caps",
    "ExchangeTooLarge",
    "Value",
    "WireClosed",
    "WireError",
    "WireTimeout",
    "decode",
    "encode",
    "read_message",
    "write_message",
]

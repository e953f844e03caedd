"""Messages on a socket, each with its length before it, whatever the other side does."""

from __future__ import annotations

import builtins
import socket
import struct
import time
from collections.abc import Callable

from cvlab.checking.wire.caps import CAPS, ExchangeTooLarge, WireClosed, WireTimeout

__all__ = ["HEADER", "read_message", "write_message"]

# Every function below looks builtins up here (its module's `__builtins__`, kept when it is defined)
# and not in the module `builtins`, in which a student may have replaced them.
__builtins__ = dict(vars(builtins))

HEADER = struct.Struct(">Q")  #: goes before each message: its length in bytes

# ------------------------------------------------------------------------------ names of our own

_pack_header, _unpack_header = HEADER.pack, HEADER.unpack
_now = time.monotonic
_recv_into, _send = socket.socket.recv_into, socket.socket.send
_settimeout, _gettimeout = socket.socket.settimeout, socket.socket.gettimeout


def read_message(sock: socket.socket, deadline: float, cap: int = CAPS.size) -> bytearray:
    """Read one message, whatever the other side does.

    Args:
        sock: a stream socket.
        deadline: when the whole message must be there, on the clock of `time.monotonic`.
        cap: the largest number of bytes of a message; no more than these and the header are held.

    Raises:
        WireTimeout: if the message is not complete in time, however slowly it comes.
        WireClosed: if the other side closes the line before.
        ExchangeTooLarge: if the message is announced to be longer than the cap.

    >>> ours, theirs = socket.socketpair()
    >>> write_message(theirs, b"seven")
    >>> read_message(ours, time.monotonic() + 1)
    bytearray(b'seven')
    """
    before = _gettimeout(sock)
    try:
        (size,) = _unpack_header(_receive(sock, HEADER.size, deadline))
        if size > cap:
            raise ExchangeTooLarge(f"the message has more than {cap:,} bytes.")
        return _receive(sock, size, deadline)
    finally:
        _settimeout(sock, before)


def write_message(sock: socket.socket, data: bytes, deadline: float | None = None) -> None:
    """Write one message.

    Args:
        sock: a stream socket.
        data: the message.
        deadline: when the other side must have taken it, on the clock of `time.monotonic`; without
            one, a side that does not read blocks this one for good.

    Raises:
        WireTimeout: if the other side has not taken all of it in time.
        WireClosed: if the other side closes the line before.
    """
    before = _gettimeout(sock)
    try:
        for part in (_pack_header(len(data)), data):  # not joined: the copy would take memory
            left = memoryview(part)
            while left:
                sent = _in_time(sock, deadline, lambda part=left: _send(sock, part))
                left = left[sent:]
    finally:
        _settimeout(sock, before)


def _receive(sock: socket.socket, size: int, deadline: float) -> bytearray:
    """Read an exact number of bytes."""
    buffer = bytearray(size)
    left = memoryview(buffer)
    while left:
        count = _in_time(sock, deadline, lambda part=left: _recv_into(sock, part))
        if not count:
            raise WireClosed("the other side closed the line before its message was complete.")
        left = left[count:]
    return buffer


def _in_time(sock: socket.socket, deadline: float | None, call: Callable[[], int]) -> int:
    """Call a socket's function, for no longer than there is time."""
    left = None if deadline is None else deadline - _now()
    try:
        if left is not None and left <= 0:
            raise TimeoutError
        _settimeout(sock, left)
        return call()
    except TimeoutError:
        raise WireTimeout("the message was not complete in time.") from None
    except OSError as error:
        raise WireClosed(f"the line is broken ({error.strerror or 'error'}).") from None

"""Warm kernels: Jupyter kernels forked from a process that has torch already imported.

`WarmProvisioner` is registered as ``cvlab-warm`` among jupyter_client's kernel provisioners and the
kernelspec ``cvlab`` names it, so that whatever starts kernels by name (nbval, nbclient,
jupyter-cache, JupyterLab, the console) starts warm ones with no change of its own. The first kernel
starts the parent (`parent.py` beside this file), all kernels of one user and environment share it,
and it ends by itself some seconds after its last user (``CVLAB_WARM_LINGER``, 20 by default). Where
it cannot be had the kernel is an ordinary one, and a line in the log says why.

Kernels of one parent share what Python draws once when it starts: the secret of its hashes, and so
the order of sets of strings. The next parent draws another.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_client.connect import LocalPortCache
from jupyter_client.provisioning import LocalProvisioner


class NoWarmKernel(RuntimeError):
    """No warm kernel can be had; the message says why."""


class EndedAtOnce(NoWarmKernel):
    """There was one, and it has ended before it listened: its ports may have been taken."""


def _client() -> Any:
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        raise NoWarmKernel("a process that has loaded torch can be forked safely on Linux alone.")
    from cvlab.classroom.running.warm import client

    return client


async def _in_thread(function: Callable[[], Any], undo: Callable[[Any], Any]) -> Any:
    """Run a function in a thread of its own; undo what it returns if nobody waits for it any more.

    `asyncio.to_thread` would use the loop's pool, whose threads a process that has been forked
    meanwhile lacks: it waits for them for ever.
    """
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if not done.cancelled():
            done.set_result(result) if error is None else done.set_exception(error)
        elif error is None:
            undo(result)

    def run() -> None:
        try:
            result, error = function(), None
        except BaseException as raised:
            result, error = None, raised
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:  # the loop has been closed
            if error is None:
                undo(result)

    threading.Thread(target=run, name="warm-kernel", daemon=True).start()
    return await done


reasons_told: set[str] = set()  #: why kernels were not warm, each said once


class WarmProvisioner(LocalProvisioner):
    """Starts kernels as forks of the parent, and ordinary ones where that cannot be done."""

    new = True  #: whether its ports are nobody's yet; those of a restart have clients
    held: Any = None  #: a connection by which the parent stays until the kernel is there

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Prepare a start; see jupyter_client's `LocalProvisioner.pre_launch`.

        The parent comes first: to start it takes seconds, in which others might take the ports.
        """
        manager = self.parent
        if manager is not None:
            self.new = not os.path.exists(manager.connection_file)
            command, asked = manager.format_kernel_cmd(), self._scrub_kwargs(kwargs)
            asked.pop("transport_encryption", None)  # the last argument that is not for a process
            with contextlib.suppress(NoWarmKernel):  # which `launch_kernel` will say
                self.held = await _in_thread(
                    lambda: _client().prepare(command, asked), lambda link: link.close()
                )
        return await super().pre_launch(**kwargs)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Launch a kernel; see jupyter_client's `LocalProvisioner.launch_kernel`."""

        def launch() -> Any:
            return _client().launch(cmd, self._scrub_kwargs(kwargs))

        try:
            # Even where there is a parent this takes a while, and a server has other kernels.
            self.process = await _in_thread(launch, lambda process: process.kill())
        except NoWarmKernel as reason:
            if str(reason) not in reasons_told:
                reasons_told.add(str(reason))
                self.log.warning("cvlab: this kernel starts without the warm parent: %s", reason)
                if "pytest" in sys.modules:  # which keeps what is logged to itself
                    sys.stderr.write(
                        f"cvlab: this kernel starts without the warm parent: {reason}\n"
                    )
            if isinstance(reason, EndedAtOnce) and self.new:
                self._other_ports((kwargs.get("env") or {}).get("JPY_SESSION_NAME", ""))
            return await super().launch_kernel(cmd, **kwargs)
        finally:
            if self.held is not None:
                self.held.close()
                self.held = None
        self.pid = self.pgid = self.process.pid  # it leads a session of its own
        self.cwd = kwargs.get("cwd", Path.cwd())
        return self.connection_info

    def _other_ports(self, session: str) -> None:
        """Write other ports into the connection file, which nobody has read yet."""
        manager = self.parent
        if manager is None or not self.ports_cached:  # they were not chosen here
            return
        manager.cleanup_connection_file()
        ports = LocalPortCache.instance()
        for name in ("shell_port", "iopub_port", "stdin_port", "hb_port", "control_port"):
            ports.return_port(getattr(manager, name))
            setattr(manager, name, ports.find_available_port(manager.ip))
        manager.write_connection_file(jupyter_session=session)
        self.connection_info = manager.get_connection_info()

    async def send_signal(self, signum: int) -> None:
        """Send a signal to the kernel's process group, unless the kernel has ended."""
        if self.process and self.process.poll() is None:
            await super().send_signal(signum)

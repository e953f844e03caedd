"""Warm kernels: Jupyter kernels forked from a process that has torch already imported.

`WarmProvisioner` is registered as ``cvlab-warm`` among jupyter_client's kernel provisioners and the
kernelspec ``cvlab`` names it, so that whatever starts kernels by name (nbval, nbclient,
jupyter-cache, JupyterLab, the console) starts warm ones with no change of its own. The first kernel
starts the parent (`parent.py` beside this file), all kernels of one user and environment share it,
and it ends by itself some seconds after its last user (``CVLAB_WARM_LINGER``, 20 by default). Where
it cannot be had the kernel is an ordinary one, and a line in the log says why.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path
from typing import Any

from jupyter_client.provisioning import LocalProvisioner


class NoWarmKernel(RuntimeError):
    """No warm kernel can be had; the message says why."""


def _client() -> Any:
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        raise NoWarmKernel("a process that has loaded torch can be forked safely on Linux alone.")
    from cvlab.classroom.running.warm import client

    return client


reasons_told: set[str] = set()  #: why kernels were not warm, each said once


class WarmProvisioner(LocalProvisioner):
    """Starts kernels as forks of the parent, and ordinary ones where that cannot be done."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Launch a kernel; see jupyter_client's `LocalProvisioner.launch_kernel`."""
        given_up = threading.Event()

        def launch() -> Any:
            process = _client().launch(cmd, self._scrub_kwargs(kwargs))
            if given_up.is_set():
                process.kill()
            return process

        try:
            # To start the parent takes seconds, in which a server has other kernels to attend to.
            self.process = await asyncio.to_thread(launch)
        except asyncio.CancelledError:
            given_up.set()  # the thread cannot be stopped, and nobody will have its kernel
            raise
        except NoWarmKernel as reason:
            if str(reason) not in reasons_told:
                reasons_told.add(str(reason))
                self.log.warning("cvlab: this kernel starts without the warm parent: %s", reason)
            return await super().launch_kernel(cmd, **kwargs)
        self.pid = self.pgid = self.process.pid  # it leads a session of its own
        self.cwd = kwargs.get("cwd", Path.cwd())
        return self.connection_info

    async def send_signal(self, signum: int) -> None:
        """Send a signal to the kernel's process group, unless the kernel has ended."""
        if self.process and self.process.poll() is None:
            await super().send_signal(signum)

"""One rounding for all processors, so that a book prints alike wherever it is built.

The numerical libraries choose their loops by the processor. Each choice adds in another order, the
last bits differ, and a training of some hundred steps ends elsewhere: as far away as with another
seed. A run of the course's own commands therefore uses what every processor since about 2015 has.
Students' own kernels choose freely; that no claim rests on the choice is shown by a run with
``CVLAB_ARITHMETIC=other``. Where there is no such processor, or no Linux to ask, each has its own.
Tests show that the variables have effect; two kinds of processor have not been compared yet.
"""

from __future__ import annotations

import os
from pathlib import Path

#: For x86 with AVX2 and fused multiply-add. NumPy calls its groups otherwise since 2.4.
SAME = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_CBWR": "AVX2",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL"
    " AVX512_ICL AVX512_SPR",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
}
#: Loops of older processors where that costs little; products and convolutions come out otherwise.
OTHER = SAME | {
    "ATEN_CPU_CAPABILITY": "default",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 AVX2 FMA3 " + SAME["NPY_DISABLE_CPU_FEATURES"],
    "OPENBLAS_CORETYPE": "Nehalem",
}
#: For tf32, kernels also load what rounds products as a GPU does; see `extensions`.
CHOICES: dict[str, dict[str, str]] = {"same": SAME, "other": OTHER, "tf32": SAME, "own": {}}


def chosen() -> str:
    """Return what ``CVLAB_ARITHMETIC`` asks for: same (the default), other, tf32 or own.

    Raises:
        ValueError: if it is none of these.
    """
    name = os.environ.get("CVLAB_ARITHMETIC") or "same"
    if name not in CHOICES:
        raise ValueError(
            f"CVLAB_ARITHMETIC must be same (on all processors), other (to see what rests on the "
            f"last bits), tf32 (on a GPU's rounding) or own (the processor's), not {name!r}."
        )
    return name


def supported(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Say whether this is an x86 processor that can do what `SAME` asks for."""
    try:
        words = set(cpuinfo.read_text(encoding="utf-8").split())
    except OSError:
        return False
    return words >= {"avx2", "fma"}


def environment() -> dict[str, str]:
    """Return the variables for a kernel; what the user has set holds.

    Raises:
        ValueError: if ``CVLAB_ARITHMETIC`` is none of the choices.
    """
    variables = CHOICES[chosen()] if supported() else {}
    return {name: os.environ.get(name, value) for name, value in variables.items()}

"""Make `.venv`, install the lock and cvlab into it, and hand over to the `cvlab` command.

Run as a script by the Makefile with any Python from 3.11 to 3.13; uses the standard library only.
A second run finds the environment as it should be and costs a few milliseconds.
"""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / ".cvlab-installed"
SUPPORTED = ((3, 11), (3, 12), (3, 13))
TORCH_PACKAGES = re.compile(r"^(torch|torchvision|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)==")


def stop(sentence: str) -> None:
    """End with one sentence and a non-zero exit status."""
    sys.exit(f"cvlab: {sentence}")


def suitable_python() -> str:
    """Return an interpreter the course runs on: this one, or another one on the PATH."""
    if sys.version_info[:2] in SUPPORTED:
        return sys.executable
    for major, minor in SUPPORTED:
        found = shutil.which(f"python{major}.{minor}")
        # A shim of pyenv lies on the PATH even where its version is switched off.
        if found and subprocess.run([found, "--version"], capture_output=True).returncode == 0:
            return found
    stop("needs Python 3.11, 3.12 or 3.13; install one, or name it: make book PYTHON=python3.12")
    return ""  # unreachable, for type checkers


def fingerprint() -> str:
    """Return a digest of everything that decides what `.venv` holds."""
    digest = hashlib.sha256()
    for name in ("requirements.lock", "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    digest.update(os.environ.get("UV_TORCH_BACKEND", "").encode())
    # A moved or copied checkout has a .venv whose scripts point to the old place.
    digest.update(str(ROOT).encode())
    return digest.hexdigest()


def split_lock(lock: str) -> tuple[str, list[str]]:
    """Separate torch and its CUDA libraries from a lock file.

    Returns:
        The lock without them, and ``["torch==...", "torchvision==..."]``.
    """
    kept: list[str] = []
    torch: list[str] = []
    dropping = False
    for line in lock.splitlines():
        if re.match(r"^[A-Za-z0-9]", line):
            dropping = bool(TORCH_PACKAGES.match(line))
            if line.startswith(("torch==", "torchvision==")):
                torch.append(line.split(";")[0].split("\\")[0].strip())
        if not dropping:
            kept.append(line)
    return "\n".join(kept) + "\n", torch


def run(command: list, what: str, advice: str) -> None:
    """Run one step of the set-up; on failure stop with a sentence that says what to do."""
    command = [str(part) for part in command]
    try:
        # Shown at the end, because what a program says when Ctrl-C stops it is of no use.
        done = subprocess.run(
            command, cwd=ROOT, check=False, stderr=subprocess.PIPE, close_fds=False
        )
    except OSError as error:
        stop(f"{what} failed ({error.strerror or error}); {advice}")
    sys.stderr.write(done.stderr.decode(errors="replace"))
    if done.returncode:
        stop(f"{what} failed (see above); {advice}")


def install() -> None:
    """Create the environment and install everything the lock names."""
    started = time.monotonic()
    print("Setting up .venv (once; the next time this takes no time) ...", flush=True)
    python = suitable_python()
    STAMP.unlink(missing_ok=True)
    run(
        [python, "-m", "venv", "--clear", VENV],
        "making .venv",
        "install Python's venv module (Debian, Ubuntu: apt install python3-venv) and try again.",
    )
    uv = shutil.which("uv")
    if uv is None:
        run(
            [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv"],
            "installing uv",
            "check the network and the disk's free space, and try again.",
        )
        uv = str(PYTHON.parent / "uv")
    again = "check the network and the disk (the environment takes 7 GB), then run it again."
    pip = [uv, "pip", "install", "--quiet", "--python", PYTHON]
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        # Python may keep nothing that it has compiled, and would compile torch for each process.
        pip.append("--compile-bytecode")
    backend = os.environ.get("UV_TORCH_BACKEND")
    if backend:
        # Wheels of another backend have other hashes than those in the lock.
        rest, torch = split_lock((ROOT / "requirements.lock").read_text(encoding="utf-8"))
        reduced = VENV / "requirements-without-torch.lock"
        reduced.write_text(rest, encoding="utf-8")
        run([*pip, *torch], f"installing torch for {backend}", again)
        run([*pip, "--no-deps", "-r", reduced], "installing the libraries", again)
    else:
        run([*pip, "-r", "requirements.lock"], "installing the libraries", again)
    run([*pip, "--no-deps", "--editable", "."], "installing cvlab", again)
    STAMP.write_text(fingerprint(), encoding="utf-8")
    print(f"Set up in {time.monotonic() - started:.0f} s.", flush=True)


def up_to_date() -> bool:
    """Return whether `.venv` is whole and holds what it should."""
    return PYTHON.exists() and STAMP.exists() and STAMP.read_text(encoding="utf-8") == fingerprint()


def version() -> str:
    """Return what Python `.venv` has, and what to do if the command was called with another."""
    have = re.search(r"version\w* = (\d+)\.(\d+)", (VENV / "pyvenv.cfg").read_text("utf-8"))
    asked = sys.version_info[:2]
    if have is None or (int(have[1]), int(have[2])) == asked:
        return f"Python {asked[0]}.{asked[1]}"
    other = f"Python {asked[0]}.{asked[1]}"
    return f"Python {have[1]}.{have[2]}; delete .venv first to make it with {other}"


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Let one command at a time set up; its claim ends with the last process that it started."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with open(__file__, "rb") as file:  # a file that is there, and that no set-up replaces
        os.set_inheritable(file.fileno(), True)  # an installer may outlive a killed command
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another command is setting up .venv; waiting for its end.", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def set_up() -> None:
    """Install what is missing; whatever goes wrong, end with one sentence."""
    try:
        if not up_to_date():
            with alone():
                if not up_to_date():  # the other command may have done it
                    install()
    except KeyboardInterrupt:
        print("\ncvlab: stopped; the next command starts the set-up again.", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        stop(f"{error.filename or 'a file'}: {error.strerror}; mend that and run it again.")


def main() -> None:
    """Set up if needed, then become ``cvlab`` with the arguments given."""
    if len(sys.argv) == 1 and up_to_date():
        print(f"cvlab: .venv is as it should be, with {version()}.")
    set_up()
    if len(sys.argv) > 1:
        command = [str(PYTHON), "-m", "cvlab.classroom.cli", *sys.argv[1:]]
        if os.name == "nt":
            sys.exit(subprocess.run(command, cwd=ROOT, check=False).returncode)
        os.chdir(ROOT)
        os.execv(command[0], command)


if __name__ == "__main__":
    main()

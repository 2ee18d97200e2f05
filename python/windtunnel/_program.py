"""Where the program is, and that it is of the package's own version."""

from __future__ import annotations

import os
import sys
from typing import Dict, List, Tuple

from ._errors import ProgramNotFound, VersionMismatch

_NAME = "windtunnel.exe" if os.name == "nt" else "windtunnel"
#: Versions of programs by path, time of change and size: a program that is replaced is asked again.
_KNOWN: Dict[Tuple[str, int, int], str] = {}


def program() -> str:
    """Path of the program; it is of the version of this package."""
    found = _find()
    about = os.stat(found)
    key = (found, about.st_mtime_ns, about.st_size)
    if key not in _KNOWN:
        _KNOWN[key] = _ask(found)
    from . import __version__

    if _KNOWN[key] != __version__:
        raise VersionMismatch(
            f"the package is windtunnel {__version__}, the program {found} is {_KNOWN[key]}; "
            "install both from one wheel, or have WINDTUNNEL name a program of the package's version"
        )
    return found


def program_version() -> str:
    """Version of the program."""
    program()
    from . import __version__

    return __version__


def _find() -> str:
    named = os.environ.get("WINDTUNNEL")
    if named:
        if os.path.isfile(named):
            return os.path.abspath(named)
        raise ProgramNotFound(f"WINDTUNNEL names {named}, which is no file")
    places = _places()
    for place in places:
        path = os.path.join(place, _NAME)
        if os.path.isfile(path):
            return path
    raise ProgramNotFound(
        f"there is no program `{_NAME}` in {', '.join(places)}; "
        "install the wheel of windtunnel, or have WINDTUNNEL name the program"
    )


def _places() -> List[str]:
    """Where an installer puts programs: of this Python, of this user, beside a folder that was asked for."""
    import sysconfig

    user = "nt_user" if os.name == "nt" else "posix_user"
    if getattr(sys, "_framework", ""):
        user = "osx_framework_user"
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    places = [
        sysconfig.get_path("scripts"),
        os.path.dirname(os.path.abspath(sys.executable or "")),
        sysconfig.get_path("scripts", scheme=user),
        # pip install --target
        os.path.join(here, "bin"),
        # pip install --prefix: lib/python3.x/site-packages, or Lib/site-packages
        os.path.join(here, "..", "..", "..", "bin"),
        os.path.join(here, "..", "..", "Scripts"),
    ]
    return list(dict.fromkeys(os.path.normpath(place) for place in places))


def _ask(found: str) -> str:
    import subprocess

    try:
        ran = subprocess.run([found, "--version"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as error:
        raise ProgramNotFound(f"{found} cannot be run: {error}") from None
    words = ran.stdout.decode("utf-8", "replace").split()
    if ran.returncode != 0 or len(words) != 2 or words[0] != "windtunnel":
        said = " ".join((ran.stdout + ran.stderr).decode("utf-8", "replace").split())
        raise VersionMismatch(f"{found} is no program of windtunnel: asked for its version it says {said!r}")
    return words[1]

"""What a scenario is handed over as: a path, a text or a dict; and what is set in it."""

from __future__ import annotations

import json
import os
from typing import Any, List, Mapping, NamedTuple, Optional, Union

#: A path; a text of YAML (it has more than one line, or begins with ``{``); or the same as a dict.
Scenario = Union[str, "os.PathLike[str]", Mapping[str, Any]]


class Source(NamedTuple):
    """A file as an argument of the program, and what it finds on its standard input if that is ``-``."""

    file: str
    text: Optional[bytes]


def source(scenario: Scenario) -> Source:
    """How the program is told of a scenario."""
    if isinstance(scenario, Mapping):
        return Source("-", (_text(scenario, 2) + "\n").encode())
    if isinstance(scenario, str) and ("\n" in scenario or scenario.lstrip().startswith("{")):
        return Source("-", scenario.encode())
    if not isinstance(scenario, (str, os.PathLike)):
        raise TypeError(f"a scenario is a path, a text or a dict, not {type(scenario).__name__}")
    path = os.fspath(scenario)
    if not isinstance(path, str):
        path = os.fsdecode(path)
    # Neither standard input nor an option.
    return Source(os.path.join(os.curdir, path) if path.startswith("-") else path, None)


def settings(sets: Optional[Mapping[str, Any]]) -> List[str]:
    """``--set`` for each: ``{"nodes.api.service.instances": 8}``; None deletes what is there."""
    if sets is None:
        return []
    if not isinstance(sets, Mapping):
        raise TypeError("`set` is a dict of paths and values, such as {'nodes.api.service.instances': 8}")
    return [f"--set={path}={value(given)}" for path, given in sets.items()]


def value(given: Any) -> str:
    """A value as it would be typed. Text is taken as it stands: ``"5ms"``, ``"exp(mean=2ms)"``."""
    if isinstance(given, str):
        return given
    return _text(given)


#: Stands for the word `none`, which switches something off and may not be in quotes.
_NONE = "\ue000none\ue000"


def _text(given: Any, indent: Optional[int] = None) -> str:
    """JSON, which is YAML too, but for `none`."""
    text = json.dumps(_known(given), indent=indent, allow_nan=False, ensure_ascii=False)
    return text.replace(f'"{_NONE}"', "none")


def _known(given: Any) -> Any:
    """The same of what JSON knows: maps, numbers and lists of other packages are its own."""
    if given is None or given == "none":
        return _NONE
    if isinstance(given, Mapping):
        return {key: _known(part) for key, part in given.items()}
    if isinstance(given, (list, tuple)):
        return [_known(part) for part in given]
    return given.tolist() if hasattr(given, "tolist") else given

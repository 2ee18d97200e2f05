"""What the program says, as dicts whose keys are attributes too."""

from __future__ import annotations

from typing import Any, Dict, List


class Record(Dict[str, Any]):
    """A dict whose keys can be read as attributes: ``results.summary.latency.p99.value``.

    A key that a dict has a method for (``items``, ``values``) or that is no Python name is read as
    ``record["key"]``.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(_unknown(self, name)) from None

    def __dir__(self) -> List[str]:
        names = [key for key in self if isinstance(key, str) and key.isidentifier()]
        return sorted({*super().__dir__(), *names})


def _unknown(record: Record, name: str) -> str:
    from difflib import get_close_matches

    keys = [str(key) for key in record]
    near = get_close_matches(name, keys, 1)
    if near:
        return f"there is no `{name}` here; did you mean `{near[0]}`?"
    return f"there is no `{name}` here; there are {', '.join(f'`{key}`' for key in keys) or 'no keys'}"

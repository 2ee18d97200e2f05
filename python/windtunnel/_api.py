"""The functions: each is one call of the program."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Any, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from ._call import BAD_INPUT, document, problems, said, wrong
from ._errors import Failed, Inconclusive, Problem
from ._program import program_version
from ._results import Check, Comparison, Plan, Results, Sweep
from ._scenario import Scenario, Source, settings, source, value
from ._sweep import Call

Sets = Mapping[str, Any]
Path = Union[str, "os.PathLike[str]"]


def version() -> str:
    """Version of the program, which is that of the package."""
    return program_version()


def run(
    scenario: Scenario,
    set: Optional[Sets] = None,
    variant: Optional[str] = None,
    replications: int = 5,
    seed: Optional[int] = None,
    *,
    precision: Union[str, float, None] = None,
    data: Optional[Path] = None,
    jobs: Optional[int] = None,
    out: Optional[Path] = None,
) -> Results:
    """Simulates a scenario: what ``windtunnel run --format json`` says.

    ``set`` puts values at paths of the scenario, None deletes what is there; ``variant`` is one of its variants.
    ``precision`` (``"2%"`` or 0.02) runs as many replications as it takes, whatever their number is said to be.
    ``data`` is the folder of the files it names, ``jobs`` the number of threads, on which no result depends. With
    ``out`` a result folder with pictures and a report is left in it; without, nothing is written.
    """
    if variant is not None and "," in variant:
        raise ValueError(f"one variant is run at a time, and `{variant}` names several; `compare` takes several")
    given = source(scenario)
    arguments = ["run", "--quiet", "--format=json", *_shared(set, seed, data, jobs), *_option("variant", variant)]
    arguments += _repeated(replications, precision)
    arguments += ["--no-folder"] if out is None else _option("out", out)
    return document(Results, [*arguments, given.file], given.text)


def check(
    scenario: Scenario,
    set: Optional[Sets] = None,
    variant: Optional[str] = None,
    replications: Optional[int] = None,
    seed: Optional[int] = None,
    *,
    max_replications: Optional[int] = None,
    baseline: Optional[Path] = None,
    data: Optional[Path] = None,
    jobs: Optional[int] = None,
    raise_: bool = False,
) -> Check:
    """Judges the objectives of a scenario: what ``windtunnel check --format json`` says.

    It looks at 20, 40, 80 replications and so on until all are decided, or once at ``replications``. With ``raise_``
    an objective that fails raises :class:`Failed`, one that is not decided :class:`Inconclusive`.
    """
    given = source(scenario)
    arguments = ["check", "--quiet", "--format=json", *_shared(set, seed, data, jobs), *_option("variant", variant)]
    arguments += _option("replications", replications)
    arguments += _option("max-replications", max_replications)
    arguments += _option("baseline", baseline)
    judged = document(Check, [*arguments, given.file], given.text, good=(0, 1, 3))
    if raise_ and judged["verdict"] == "fail":
        raise Failed(judged)
    if raise_ and judged["verdict"] == "inconclusive":
        raise Inconclusive(judged)
    return judged


def compare(
    scenario: Scenario,
    *others: Scenario,
    set: Optional[Sets] = None,
    variants: Union[str, Sequence[str], None] = None,
    replications: int = 20,
    seed: Optional[int] = None,
    metrics: Sequence[str] = (),
    margins: Optional[Mapping[str, Any]] = None,
    lose: Optional[str] = None,
    data: Optional[Path] = None,
    jobs: Optional[int] = None,
    out: Optional[Path] = None,
) -> Comparison:
    """Compares designs on the same random numbers: what ``windtunnel compare --format json`` says.

    A scenario alone is compared with its ``variants`` (all of them if none is named), otherwise with the ``others``.
    ``metrics`` are figures such as ``"p99(latency operation=buy)"`` beside
    the usual ones, ``margins`` differences that are none, such as ``{"p99": "2ms"}``; ``lose="each"`` compares the
    design with itself without each thing it may lose. ``out`` is a folder for the pictures. At most one of several
    designs can be a text or a dict.
    """
    sources = [source(one) for one in (scenario, *others)]
    names = variants if isinstance(variants, str) or variants is None else ",".join(variants)
    arguments = ["compare", "--quiet", "--format=json", *_shared(set, seed, data, jobs), *_option("variant", names)]
    arguments += _option("replications", replications)
    arguments += [f"--metric={metric}" for metric in _texts(metrics)]
    arguments += [f"--margin={figure}={margin}" for figure, margin in (margins or {}).items()]
    arguments += _option("lose", lose)
    arguments += _option("out", out)
    files, text = _together(sources)
    return document(Comparison, [*arguments, *files], text)


def plan(
    scenario: Scenario,
    set: Optional[Sets] = None,
    variant: Optional[str] = None,
    replications: Optional[int] = None,
    seed: Optional[int] = None,
    *,
    data: Optional[Path] = None,
    jobs: Optional[int] = None,
) -> Plan:
    """Capacity from ``requirements``, each line with its formula: what ``windtunnel plan --format json`` says.

    Of a scenario that has a design, too, beside what its simulation at the peak measured.
    """
    given = source(scenario)
    arguments = ["plan", "--quiet", "--format=json", *_shared(set, seed, data, jobs), *_option("variant", variant)]
    arguments += _option("replications", replications)
    return document(Plan, [*arguments, given.file], given.text)


def sweep(
    scenario: Scenario,
    vary: Optional[Mapping[str, Any]] = None,
    set: Optional[Sets] = None,
    replications: int = 5,
    seed: Optional[int] = None,
    *,
    precision: Union[str, float, None] = None,
    metrics: Sequence[str] = (),
    max_cells: Optional[int] = None,
    on: Optional[str] = None,
    address: Optional[str] = None,
    per_task: float = 5.0,
    data: Optional[Path] = None,
    jobs: Optional[int] = None,
    out: Optional[Path] = None,
) -> Sweep:
    """Simulates many settings of one scenario on the same random numbers: what ``windtunnel sweep --format json`` says.

    ``vary`` are the axes, instead of the scenario's own ``sweep``: paths with ranges such as ``"0.5..2 step 0.1"`` or
    with lists; ``variant`` is a path too. With ``out`` a folder with tables, pictures and the journal is left in it,
    from which the same sweep goes on if it was interrupted; without, nothing is.

    With ``on="ray"`` cells are simulated by the workers of a Ray cluster (``address``, or the one that this process is
    connected to, or this machine), ``jobs`` (1) threads each, as many cells a task as take about ``per_task`` seconds.
    What comes back, and what is in the folder, is the same to the byte.
    """
    given = source(scenario)
    arguments = [*_shared(set, seed, data, None), *_repeated(replications, precision)]
    arguments += [f"--vary={path}={value(_values(values))}" for path, values in (vary or {}).items()]
    arguments += [f"--metric={metric}" for metric in _texts(metrics)]
    arguments += _option("max-cells", max_cells)
    call = Call(given, arguments, data)
    if on == "ray":
        from ._ray import Workers

        with _place(out) as folder:
            Workers(address, jobs or 1, per_task).journal(call, folder)
            return call.whole(folder, jobs)
    if on is not None:
        raise ValueError(f'a sweep can be `on` "ray", or on this machine alone if nothing is said, not on {on!r}')
    with _place(out) as folder:
        return call.whole(folder, jobs)


def validate(
    scenario: Scenario,
    set: Optional[Sets] = None,
    variant: Optional[str] = None,
    *,
    data: Optional[Path] = None,
) -> List[Problem]:
    """All that is wrong with a scenario, or looks wrong, without running it; nothing is raised of it.

    It can be run if none of them has the severity ``error``.
    """
    given = source(scenario)
    arguments = ["validate", "--quiet", "--format=json", *_shared(set, None, data, None), *_option("variant", variant)]
    ended = said([*arguments, given.file], given.text)
    if ended.code not in (0, BAD_INPUT) or not ended.out.strip():
        wrong(ended)
    return problems(ended.out)


@contextmanager
def _place(out: Optional[Path]) -> Iterator[str]:
    """The folder that was named, or one that is gone afterwards."""
    if out is not None:
        yield os.fspath(out)
        return
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="windtunnel-") as folder:
        yield folder


def _values(values: Any) -> Any:
    """What an axis goes through."""
    return list(values) if isinstance(values, (range, tuple)) else values


def _repeated(replications: int, precision: Union[str, float, None]) -> List[str]:
    if precision is None:
        return _option("replications", replications)
    return _option("precision", precision if isinstance(precision, str) else f"{precision * 100:.15g}%")


def _shared(set: Optional[Sets], seed: Optional[int], data: Optional[Path], jobs: Optional[int]) -> List[str]:
    return [*settings(set), *_option("seed", seed), *_option("data", data), *_option("jobs", jobs)]


def _option(name: str, given: Any) -> List[str]:
    """One argument, so that no value is taken for an option."""
    if given is None:
        return []
    return [f"--{name}={os.fspath(given) if isinstance(given, os.PathLike) else given}"]


def _texts(given: Union[str, Iterable[str]]) -> Iterable[str]:
    return [given] if isinstance(given, str) else given


def _together(sources: Sequence[Source]) -> Tuple[List[str], Optional[bytes]]:
    """Several files, of which one may be handed over as standard input."""
    texts = [one.text for one in sources if one.text is not None]
    if len(texts) > 1:
        raise ValueError(
            "at most one of the designs compared can be a text or a dict; "
            "write the others to files, or say how they differ by `variants`"
        )
    return [one.file for one in sources], texts[0] if texts else None

"""What a notebook shows of results: the few figures one looks at first."""

from __future__ import annotations

from html import escape
from typing import Any, Callable, Iterable, List, Mapping, Optional, Sequence

from ._results import Check, Comparison, Plan, Results, Sweep, Tables

_MOST_ROWS = 60


def page(tables: Tables) -> str:
    """HTML of any results; all text in it is escaped."""
    if isinstance(tables, Results):
        return _results(tables)
    if isinstance(tables, Comparison):
        return _comparison(tables)
    if isinstance(tables, Check):
        return _check(tables)
    if isinstance(tables, Plan):
        head = ["group", "name", "value", "unit", "formula", "flag"]
        return _table(head, ([row[key] for key in head] for row in tables.rows()))
    if isinstance(tables, Sweep):
        return _sweep(tables)
    rows = tables.rows()
    return _table(list(rows[0]) if rows else [], (list(row.values()) for row in rows))


def headline(results: Mapping[str, Any]) -> str:
    """Results in one line."""
    variant = results.get("variant")
    name = results["scenario"] + (f" ({variant})" if variant else "")
    summary = results["summary"]
    return (
        f"{name}: {results['status']}, {len(results['seeds'])} replications, "
        f"availability {_interval(summary['availability'], share)}, "
        f"p99 {_interval(summary['latency']['p99'], seconds)}"
    )


def _results(results: Results) -> str:
    percentiles = ["mean", "p50", "p95", "p99", "max"]
    parts = [("all", results["summary"]), *results["clients"].items()]
    if len(parts) == 2:
        parts = parts[:1]
    clients = [
        [
            name,
            _interval(of["availability"], share),
            _interval(of["goodput"], rate),
            *(_interval(of["latency"][p], seconds) for p in percentiles),
        ]
        for name, of in parts
    ]
    nodes = [
        [
            f"{name} ({node['kind'].replace('_', ' ')})",
            _interval(node.get("utilisation"), share),
            _interval(node.get("throughput"), rate),
            _interval((node.get("waiting_time") or {}).get("mean"), seconds),
            _interval((node.get("response_time") or {}).get("p99"), seconds),
        ]
        for name, node in results["nodes"].items()
    ]
    slos = [[slo["verdict"], slo["expression"], slo["reason"]] for slo in results["slos"]]
    told = [
        f"<p><b>{escape(headline(results))}</b></p>",
        _table(["clients", "availability", "goodput", *percentiles], clients),
        _table(["nodes", "utilisation", "throughput", "waiting", "response p99"], nodes),
    ]
    return "".join(told + ([_table(["objective", "", ""], slos)] if slos else []))


def _comparison(comparison: Comparison) -> str:
    units = {of["metric"]: _UNITS.get(of["unit"], number) for of in comparison["metrics"]}
    designs = [design["name"] for design in comparison["designs"]]
    verdicts = {(of["metric"], of["design"]): of["verdict"] for of in comparison["differences"]}
    rows = []
    for metric, shown in units.items():
        row: List[Any] = [metric]
        for design in comparison["designs"]:
            told = _interval(design["figures"].get(metric), shown)
            verdict = verdicts.get((metric, design["name"]), "")
            row.append(f"{told} {verdict.replace('_', ' ')}".strip())
        rows.append(row)
    beaten = ", ".join(comparison["pareto"]) or "none"
    return _table([comparison["scenario"], *designs], rows) + f"<p>Not beaten: {escape(beaten)}</p>"


def best(sweep: Sweep) -> str:
    """The best cell of a sweep, as one line."""
    if not any(cell["slos"] for cell in sweep["done"]):
        return "there are no objectives"
    if sweep.best is None:
        return "no cell meets its objectives"
    return "best: " + ", ".join(f"{path}={value}" for path, value in sweep.best["settings"].items())


def _sweep(sweep: Sweep) -> str:
    paths = [axis["path"] for axis in sweep["axes"]]
    units = {of["metric"]: _UNITS.get(of["unit"], number) for of in sweep["metrics"]}
    known = [name for name in units if any(name in cell["figures"] for cell in sweep["done"])]
    rows = []
    for cell in sweep["done"]:
        figures = [
            "never"
            if cell["figures"].get(name, {}).get("beyond")
            else _interval(cell["figures"].get(name), units[name])
            for name in known
        ]
        missed = [f"{slo['verdict']} {slo['expression']}" for slo in cell["slos"] if slo["verdict"] != "met"]
        met = "" if not cell["slos"] else "; ".join(missed) or "met"
        rows.append([*(cell["settings"][path] for path in paths), *figures, met])
    return _table([*paths, *known, "objectives"], rows) + f"<p>{escape(best(sweep))}</p>"


def _check(check: Check) -> str:
    rows = [[row["verdict"], row["expression"], row["file"], row["reason"]] for row in check.rows()]
    return f"<p><b>{escape(str(check['verdict']))}</b></p>" + _table(["", "objective", "file", ""], rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    def line(cells: Iterable[Any], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(_text(cell))}</{tag}>" for cell in cells) + "</tr>"

    lines = [line(row, "td") for row in rows]
    if len(lines) > _MOST_ROWS:
        more = f"and {len(lines) - _MOST_ROWS} more rows"
        lines = [*lines[:_MOST_ROWS], f'<tr><td colspan="{len(head)}">{more}</td></tr>']
    return f"<table><thead>{line(head, 'th')}</thead><tbody>{''.join(lines)}</tbody></table>"


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    return number(cell) if isinstance(cell, float) else str(cell)


def _interval(estimate: Optional[Mapping[str, Any]], shown: Callable[[float], str]) -> str:
    """A value and, where it has one, its interval."""
    if estimate is None or estimate.get("value") is None:
        return "-"
    lower, upper = estimate.get("lower"), estimate.get("upper")
    told = shown(estimate["value"])
    if lower is None or upper is None or lower == upper:
        return told
    return f"{told} [{shown(lower)}, {shown(upper)}]"


def seconds(value: float) -> str:
    """A duration in the unit it is said in."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if abs(value) >= size:
            return f"{number(value / size)} {unit}"
    return "0 s" if value == 0 else f"{number(value / 1e-9)} ns"


def share(value: float) -> str:
    """Per cent: as many digits as it takes to tell it from 0 and 100."""
    if value in (0.0, 1.0):
        return f"{value * 100:.0f} %"
    digits = 2
    while digits < 9 and round(value * 100, digits) in (0.0, 100.0):
        digits += 1
    return f"{round(value * 100, digits):.{digits}f}".rstrip("0").rstrip(".") + " %"


def rate(value: float) -> str:
    """Per second."""
    return f"{number(value)} /s"


def number(value: float) -> str:
    """Three digits, all of those before the point."""
    if value == 0 or not 1e-4 <= abs(value) < 1e15:
        return f"{value:.3g}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


_UNITS = {"s": seconds, "/s": rate, "fraction": share}

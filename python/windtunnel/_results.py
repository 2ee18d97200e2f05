"""Results: what each command says, with its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Tuple, Union

from ._record import Record

if TYPE_CHECKING:
    import pandas
    import polars

Row = Dict[str, Any]


class Tables(Record):
    """Something with tables. :meth:`rows` gives them without any other package."""

    __slots__ = ()

    #: Names of the tables; the first is the usual one.
    _tables: Tuple[str, ...] = ()

    def rows(self, table: str = "") -> List[Row]:
        """The rows of a table, each a dict; the usual one if none is named."""
        wanted = table or self._tables[0]
        if wanted not in self._tables:
            known = ", ".join(f"`{name}`" for name in self._tables)
            raise ValueError(f"there is no table `{wanted}`; there are {known}")
        rows: List[Row] = list(getattr(self, f"_{wanted}_rows")())
        return rows

    def to_pandas(self, table: str = "") -> "pandas.DataFrame":
        """A table as a DataFrame of pandas."""
        try:
            import pandas
        except ImportError:
            raise ImportError("to_pandas needs pandas: pip install pandas") from None
        return pandas.DataFrame(self.rows(table))

    def to_polars(self, table: str = "") -> "polars.DataFrame":
        """A table as a DataFrame of polars."""
        try:
            import polars
        except ImportError:
            raise ImportError("to_polars needs polars: pip install polars") from None
        return polars.DataFrame(self.rows(table), infer_schema_length=None)

    def _repr_html_(self) -> str:
        from ._html import page

        return page(self)


class Results(Tables):
    """What ``run`` measured: ``results.json``, key by key (docs/REFERENCE.md).

    Tables: ``figures`` (one row a figure: ``kind``, ``name``, ``metric``, ``value``, ``lower``, ``upper``, ``n``),
    ``series`` (one row a window and client or node), ``replications`` (one row each).
    """

    __slots__ = ()
    _tables = ("figures", "series", "replications")

    def __repr__(self) -> str:
        from ._html import headline

        return f"<Results of {headline(self)}>"

    def _figures_rows(self) -> Iterator[Row]:
        for kind, name, tree in self._parts():
            for metric, estimate in _figures(tree, ""):
                yield {"kind": kind, "name": name, "metric": metric, **estimate}

    def _parts(self) -> Iterator[Tuple[str, str, Mapping[str, Any]]]:
        yield "all", "all", self["summary"]
        for name, client in self["clients"].items():
            yield "client", name, {key: part for key, part in client.items() if key != "operations"}
            for operation, figures in client["operations"].items():
                yield "operation", f"{name}.{operation}", figures
        for name, node in self["nodes"].items():
            yield "node", name, node

    def _series_rows(self) -> Iterator[Row]:
        series = self["series"]
        named = [("client", name, of) for name, of in series["clients"].items()]
        named += [("node", name, of) for name, of in series["nodes"].items()]
        columns = [(kind, name, list(_columns(of, ""))) for kind, name, of in named]
        for i, (start, length) in enumerate(zip(series["start"], series["length"])):
            for kind, name, of in columns:
                cells = {metric: values[i] for metric, values in of if i < len(values)}
                yield {"start": start, "length": length, "kind": kind, "name": name, **cells}

    def _replications_rows(self) -> Iterator[Row]:
        for one in self["replications"]:
            head = {key: one[key] for key in ("replication", "fingerprint", "events")}
            # A seed has 64 bits, which no column of floats holds.
            yield {**head, "seed": str(one["seed"]), **one["figures"]}


class Comparison(Tables):
    """What ``compare`` found: ``compare.json``.

    Tables: ``differences`` (one row a metric and design, against the base), ``figures`` (one row a design and metric).
    """

    __slots__ = ()
    _tables = ("differences", "figures")

    def __repr__(self) -> str:
        designs = ", ".join(design["name"] for design in self["designs"])
        return f"<Comparison of {self['scenario']}: {designs}; not beaten: {', '.join(self['pareto']) or 'none'}>"

    def _differences_rows(self) -> Iterator[Row]:
        for one in self["differences"]:
            yield {
                "metric": one["metric"],
                "design": one["design"],
                "base": one["base"],
                **_named("difference", one["difference"]),
                **_named("ratio", one["ratio"]),
                "margin": one["margin"],
                "better": one["better"],
                "verdict": one["verdict"],
                "reason": one.get("reason"),
            }

    def _figures_rows(self) -> Iterator[Row]:
        for design in self["designs"]:
            for metric, figure in design["figures"].items():
                yield {"design": design["name"], "metric": metric, **_estimate(figure), "never": figure.get("never")}


class Check(Tables):
    """What ``check`` judged: ``verdict`` (``pass``, ``fail``, ``inconclusive``) and the ``slos`` of each of ``files``.

    Table: ``objectives``.
    """

    __slots__ = ()
    _tables = ("objectives",)

    @property
    def passed(self) -> bool:
        """Whether every objective passes."""
        return bool(self["verdict"] == "pass")

    def __repr__(self) -> str:
        return f"<Check: {self['verdict']}, {len(self.rows())} objectives>"

    def _objectives_rows(self) -> Iterator[Row]:
        for file in self["files"]:
            for slo in file["slos"]:
                yield {
                    "file": file["file"],
                    "expression": slo["expression"],
                    "verdict": slo["verdict"],
                    **_estimate(slo["estimate"]),
                    "margin": slo["margin"],
                    "reason": slo["reason"],
                }


class Plan(Tables):
    """What ``plan`` works out: ``lines``. Table: ``lines``."""

    __slots__ = ()
    _tables = ("lines",)

    def __repr__(self) -> str:
        return f"<Plan of {len(self['lines'])} lines>"

    def _lines_rows(self) -> Iterator[Row]:
        for line in self["lines"]:
            head = {key: line[key] for key in ("group", "name", "value", "unit", "formula")}
            yield {**head, **_named("simulated", line["simulated"] or {}), "flag": line["flag"]}


class Sweep(Tables):
    """What ``sweep`` found: ``cells.json``. ``done`` are its cells, ``findings`` what they say together.

    Table: ``cells`` (one row a cell: its settings, ``metric``, ``metric_lower``, ``metric_upper`` of each figure, the
    verdict of each objective), as in ``cells.csv``.
    """

    __slots__ = ()
    _tables = ("cells",)

    @property
    def best(self) -> Optional[Record]:
        """The cell that meets all objectives at the least cost, or 99th percentile; None if none meets them."""
        found = [cell for cell in self["done"] if cell["cell"] == self["findings"]["best"]]
        return found[0] if found else None

    def __repr__(self) -> str:
        from ._html import best

        return f"<Sweep of {self['scenario']}: {self['cells']} cells, {self['rule']} each; {best(self)}>"

    def _cells_rows(self) -> Iterator[Row]:
        paths = [axis["path"] for axis in self["axes"]]
        for cell in self["done"]:
            row: Row = {"cell": cell["cell"]}
            row.update({path: _number(cell["settings"][path]) for path in paths})
            for metric in (of["metric"] for of in self["metrics"]):
                figure = cell["figures"].get(metric) or {}
                row.update(_named(metric, figure))
                if figure.get("beyond"):
                    row[metric] = float("inf")
            row.update({slo["expression"]: slo["verdict"] for slo in cell["slos"]})
            row.update({key: cell[key] for key in ("replications", "status", "fingerprint")})
            yield row


def _number(text: str) -> Union[int, float, str]:
    """A setting: a number where it is one without a unit."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def _estimate(figure: Mapping[str, Any]) -> Row:
    return {key: figure.get(key) for key in ("value", "lower", "upper", "n")}


def _named(name: str, figure: Mapping[str, Any]) -> Row:
    ends = {f"{name}_{end}": figure.get(end) for end in ("lower", "upper")}
    return {name: figure.get("value"), **ends}


def _figures(tree: Mapping[str, Any], path: str) -> Iterator[Tuple[str, Row]]:
    """Every figure below, by its path: estimates, and numbers that have no interval."""
    for key, part in tree.items():
        at = f"{path}.{key}" if path else key
        if isinstance(part, dict):
            if {"value", "lower", "upper"} <= part.keys():
                yield at, _estimate(part)
            else:
                yield from _figures(part, at)
        elif isinstance(part, (int, float)) and not isinstance(part, bool):
            yield at, {"value": float(part), "lower": None, "upper": None, "n": None}


def _columns(tree: Mapping[str, Any], path: str) -> Iterator[Tuple[str, List[Any]]]:
    """Every list below with a value for each window."""
    for key, part in tree.items():
        at = f"{path}.{key}" if path else key
        if isinstance(part, dict):
            yield from _columns(part, at)
        elif isinstance(part, list):
            yield at, part

"""Windtunnel: a wind tunnel for distributed-system designs.

Each function runs the program that this package carries and hands back what it says. A scenario is a path, a
text (YAML) or a dict. Durations are seconds, rates per second, sizes bytes, shares 0 to 1::

    import windtunnel

    results = windtunnel.run("shop.yaml", set={"nodes.api.service.instances": 8})
    results.summary.latency.p99.value
    results.to_pandas()
"""

from __future__ import annotations

__version__ = "0.1.0"

from ._api import check, compare, plan, run, sweep, validate, version
from ._errors import (
    Crash,
    Failed,
    Inconclusive,
    Interrupted,
    Problem,
    ProgramNotFound,
    ScenarioError,
    Truncated,
    VersionMismatch,
    WindtunnelError,
)
from ._record import Record
from ._results import Check, Comparison, Plan, Results, Sweep

__all__ = [
    "Check",
    "Comparison",
    "Crash",
    "Failed",
    "Inconclusive",
    "Interrupted",
    "Plan",
    "Problem",
    "ProgramNotFound",
    "Record",
    "Results",
    "ScenarioError",
    "Sweep",
    "Truncated",
    "VersionMismatch",
    "WindtunnelError",
    "__version__",
    "check",
    "compare",
    "plan",
    "run",
    "sweep",
    "validate",
    "version",
]

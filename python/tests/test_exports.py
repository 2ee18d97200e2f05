"""Exports, read by the readers of those they are for."""

import subprocess
from pathlib import Path

import pytest
import windtunnel._program

parser = pytest.importorskip("prometheus_client.openmetrics.parser")

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["gray-failure", "pub-sub", "catch-up"])
def test_openmetrics_is_read_by_a_client_of_prometheus(tmp_path, name):
    program = windtunnel._program.program()
    scenario = str(ROOT / "scenarios" / f"{name}.yaml")
    run = ["run", scenario, "-n", "1", "--quiet", "--out", str(tmp_path)]
    subprocess.run([program, *run], check=True)
    export = [program, "export", str(tmp_path / name / "latest"), "--as", "openmetrics"]
    text = subprocess.run(export, check=True, capture_output=True, text=True).stdout
    families = {family.name: family for family in parser.text_string_to_metric_families(text)}
    latency = families["windtunnel_client_latency_p99_seconds"]
    assert latency.unit == "seconds" and latency.type == "gauge"
    points = [sample for sample in latency.samples if sample.labels == {"client": "all"}]
    assert len(points) > 10 and points[0].value > 0
    assert [p.timestamp for p in points] == sorted(p.timestamp for p in points)

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


def test_otlp_is_read_by_the_types_of_the_protocol(tmp_path):
    json_format = pytest.importorskip("google.protobuf.json_format")
    trace = pytest.importorskip("opentelemetry.proto.trace.v1.trace_pb2")
    program = windtunnel._program.program()
    scenario = str(ROOT / "scenarios" / "retries-and-timeouts.yaml")
    run = ["run", scenario, "-n", "1", "--quiet", "--out", str(tmp_path)]
    subprocess.run([program, *run], check=True)
    folder = tmp_path / "retries-and-timeouts" / "latest"
    export = [program, "export", str(folder), "--as", "otlp"]
    text = subprocess.run(export, check=True, capture_output=True, text=True).stdout
    # Unknown fields, wrong types and words are errors.
    traces = json_format.Parse(hex_to_base64(text), trace.TracesData())
    spans = [
        (next(a.value.string_value for a in of.resource.attributes if a.key == "service.name"), span)
        for of in traces.resource_spans
        for scope in of.scope_spans
        for span in scope.spans
    ]
    kinds = trace.Span.SpanKind
    assert {name for name, _ in spans} == {"apps", "api"}
    assert all(len(s.trace_id) == 16 and len(s.span_id) == 8 for _, s in spans)
    by_id = {(s.trace_id, s.span_id): (name, s) for name, s in spans}
    assert len(by_id) == len(spans)
    late = 0
    for name, span in spans:
        assert 946_684_800 * 10**9 <= span.start_time_unix_nano <= span.end_time_unix_nano
        if not span.parent_span_id:
            continue
        above, parent = by_id[span.trace_id, span.parent_span_id]
        if span.kind == kinds.SPAN_KIND_SERVER:
            assert (name, above, parent.kind) == ("api", "apps", kinds.SPAN_KIND_CLIENT)
            late += span.end_time_unix_nano > parent.end_time_unix_nano
    # Attempts that were given up are worked on.
    assert late > 10


def hex_to_base64(text):
    """Ids are hexadecimal in OTLP's JSON, where the mapping of protobuf has base64."""
    import base64
    import re

    def one(found):
        return f'"{found[1]}": "{base64.b64encode(bytes.fromhex(found[2])).decode()}"'

    return re.sub(r'"(traceId|spanId|parentSpanId)": "([0-9a-f]+)"', one, text)

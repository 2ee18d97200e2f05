"""What comes back: the program's own figures, whatever a scenario is handed over as."""

from __future__ import annotations

import copy
import json
import pickle
import sys
from pathlib import Path

import pytest
import windtunnel
from conftest import MM1, MM1_DICT


def test_results_are_what_the_program_writes(mm1, cli, here):
    ran = cli("run", "mm1.yaml", "--format", "json", "--quiet", "-n", "3", "--out", "o")
    written = [path.read_bytes() for path in here.glob("o/mm1/*/results.json") if not path.parent.is_symlink()]
    assert written == [ran.stdout]
    results = windtunnel.run("mm1.yaml", replications=3)
    assert results == json.loads(ran.stdout)
    assert list(results) == list(json.loads(ran.stdout)), "in the same order"


def test_a_path_a_text_and_a_dict_are_one_scenario(mm1):
    forms = [mm1, str(mm1), "mm1.yaml", MM1, MM1_DICT, json.dumps(MM1_DICT)]
    results = [windtunnel.run(form, replications=2) for form in forms]
    assert all(one == results[0] for one in results)
    assert results[0].summary.requests.issued > 500


def test_none_switches_off_in_a_dict_as_in_a_file(mm1):
    retried = {"attempts": 3, "backoff": "constant(10ms)"}
    changed = {**MM1_DICT, "clients": {"load": {**MM1_DICT["clients"]["load"], "timeout": "100ms", "retry": retried}}}
    attempts = []
    for off in (None, "none"):
        design = {**changed, "variants": {"once": {"clients.load.retry": off}}}
        attempts.append(windtunnel.run(design, variant="once").summary.attempts_per_request.value)
    attempts.append(windtunnel.run(changed, set={"clients.load.retry": None}).summary.attempts_per_request.value)
    assert attempts == [1, 1, 1]
    assert windtunnel.run(changed).summary.attempts_per_request.value > 1.5


def test_numbers_and_lists_of_numpy_are_numbers_and_lists():
    numpy = pytest.importorskip("numpy")
    for cores in numpy.arange(1, 3):
        with_set = windtunnel.run(MM1, set={"nodes.server.service.cores": cores}, replications=2)
        service = {"service": {"cores": cores, "work": "exp(mean=100ms)"}}
        assert windtunnel.run({**MM1_DICT, "nodes": {"server": service}}, replications=2) == with_set


def test_what_is_said_of_a_run_goes_to_the_program(mm1, cli):
    def said(*arguments):
        return json.loads(cli("run", "mm1.yaml", "--format=json", "--no-folder", "--quiet", *arguments).stdout)

    assert windtunnel.run(mm1) == said()
    assert windtunnel.run(mm1, seed=7, jobs=1) == said("--seed", "7")
    assert windtunnel.run(mm1, variant="fast") == said("--variant", "fast")
    assert windtunnel.run(mm1, replications=12) == said("-n", "12")
    assert windtunnel.run(mm1, precision="60%") == windtunnel.run(mm1, precision=0.6) == said("--precision", "60%")
    sets = {"nodes.server.service.cores": 2, "nodes.server.service.work": "20ms", "slos": None}
    typed = ["--set", "nodes.server.service.cores=2", "--set", "nodes.server.service.work=20ms", "--set", "slos=none"]
    assert windtunnel.run(mm1, set=sets) == said(*typed)
    listed = windtunnel.run(mm1, set={"slos": ["p99(latency) <= 1s"], "expect": []})
    assert [slo.expression for slo in listed.slos] == ["p99(latency) <= 1s"]


def test_nothing_is_written_unless_a_folder_is_named(mm1, here):
    windtunnel.run(mm1, replications=1)
    windtunnel.run(MM1, replications=1)
    windtunnel.compare(MM1_DICT, replications=2)
    windtunnel.check(MM1, replications=2)
    assert [path.name for path in here.iterdir()] == ["mm1.yaml"]
    windtunnel.run(mm1, replications=1, out=here / "o")
    windtunnel.compare(mm1, replications=2, out="c")
    assert list(here.glob("o/mm1/*/report.html"))
    assert (here / "c" / "differences.svg").exists()


def test_keys_are_attributes(mm1):
    results = windtunnel.run(mm1, replications=2)
    p99 = results.summary.latency.p99
    assert p99.value == results["summary"]["latency"]["p99"]["value"]
    assert p99.lower <= p99.value <= p99.upper
    assert results.nodes.server.kind == "service"
    assert results.replications[1].figures["latency.p99"] > 0
    assert "summary" in dir(results) and "to_pandas" in dir(results)
    with pytest.raises(AttributeError, match="did you mean `latency`"):
        _ = results.summary.latencies
    with pytest.raises(AttributeError):
        _ = results.summary.of_nothing_like_it
    with pytest.raises(AttributeError):
        results.new = 1
    for other in (copy.deepcopy(results), pickle.loads(pickle.dumps(results))):
        assert other == results and type(other) is windtunnel.Results
        assert other.summary.latency == results.summary.latency
    assert repr(results).startswith("<Results of mm1: complete, 2 replications, availability 100 %, p99 ")


def test_figures_are_a_row_each(mm1):
    results = windtunnel.run(mm1, replications=2)
    rows = {(row["kind"], row["name"], row["metric"]): row for row in results.rows()}
    assert len(rows) == len(results.rows()), "no figure has two rows"
    p99 = rows["all", "all", "latency.p99"]
    assert (p99["value"], p99["upper"]) == (results.summary.latency.p99.value, results.summary.latency.p99.upper)
    assert rows["operation", "load.default", "requests.ok"]["value"] == results.clients.load.requests.ok
    assert rows["node", "server", "utilisation"]["n"] == 2
    assert not any(metric.startswith("operations") for _, _, metric in rows)
    with pytest.raises(ValueError, match="`figures`, `series`, `replications`"):
        results.rows("figure")


def test_series_are_the_rows_of_the_csv(mm1, here):
    results = windtunnel.run(mm1, replications=2, out="o")
    import csv

    with next(here.glob("o/mm1/[0-9a-f]*/timeseries.csv")).open() as file:
        lines = list(csv.DictReader(file))
    rows = results.rows("series")
    assert len(rows) == len(lines) > 100
    for row, line in zip(rows, lines):
        assert (row["start"], row["kind"], row["name"]) == (float(line["start_s"]), line["kind"], line["name"])
        if row["kind"] == "client":
            assert row["goodput"] == float(line["goodput_per_s"])
            assert row["outcomes.ok"] == float(line["ok_per_s"])
            assert (row["p99"] is None) == (line["latency_p99_s"] == "")
        else:
            assert row["in_system"] == float(line["in_system"])


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_tables_become_data_frames(package, mm1):
    pytest.importorskip(package)
    results = windtunnel.run(mm1, replications=2)
    comparison = windtunnel.compare(mm1, replications=3)
    judged = windtunnel.check(mm1, replications=20)
    for of, tables in ((results, results._tables), (comparison, comparison._tables), (judged, ["objectives"])):
        for table in tables:
            frame = getattr(of, f"to_{package}")(table)
            rows = of.rows(table)
            assert len(frame) == len(rows) > 0, table
            assert set(frame.columns) == {key for row in rows for key in row}, table
    frame = results.to_pandas() if package == "pandas" else results.to_polars()
    assert float(frame["value"].max()) == max(row["value"] for row in results.rows() if row["value"] is not None)


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_without_the_package_it_is_said_what_to_install(package, mm1, monkeypatch):
    results = windtunnel.run(mm1, replications=1)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=f"pip install {package}"):
        getattr(results, f"to_{package}")()


def test_compare_is_the_document_of_the_program(mm1, here, cli):
    ran = cli("compare", "mm1.yaml", "--format=json", "-n", "20", "--metric", "max(latency)", "--margin", "p99=2ms")
    found = windtunnel.compare("mm1.yaml", replications=20, metrics=["max(latency)"], margins={"p99": "2ms"})
    assert found == json.loads(ran.stdout)
    assert found.pareto == ["fast"]
    rows = {row["metric"]: row for row in found.rows()}
    assert rows["p99(latency)"]["verdict"] == "better"
    assert rows["p99(latency)"]["difference"] < 0 < rows["p99(latency)"]["ratio"] < 1
    assert {row["design"] for row in found.rows("figures")} == {"base", "fast"}
    assert repr(found) == "<Comparison of mm1: base, fast; not beaten: fast>"
    (here / "two.yaml").write_text(MM1.replace("cores: 1", "cores: 2"))
    two = windtunnel.compare("mm1.yaml", "two.yaml", variants=["fast"], replications=2)
    assert [design.name for design in two.designs] == ["mm1", "fast", "two"]
    one_text = windtunnel.compare(MM1, "two.yaml", replications=2)
    assert [design.figures for design in one_text.designs] == [two.designs[0].figures, two.designs[2].figures]


def test_check_gives_a_verdict(mm1, cli):
    judged = windtunnel.check(mm1)
    assert judged == json.loads(cli("check", str(mm1), "--format=json").stdout)
    assert judged.passed and judged.verdict == "pass" and judged.files[0].replications == 20
    assert judged.rows()[0]["expression"] == "availability >= 99%"
    missed = windtunnel.check(mm1, set={"slos": ["p99(latency) <= 1ms"]})
    assert (missed.verdict, missed.passed, missed.exit) == ("fail", False, 1)


def test_plan_has_lines(here, cli):
    wanted = {"windtunnel": 1, "requirements": {"users": "5M", "actions": {"buy": "0.5/day"}, "peak": 3}}
    planned = windtunnel.plan(wanted)
    (here / "plan.yaml").write_text(json.dumps(wanted))
    assert planned == json.loads(cli("plan", "plan.yaml", "--format=json").stdout)
    lines = {line.name: line for line in planned.lines}
    assert lines["average"].value == pytest.approx(5e6 * 0.5 / 86_400)
    assert lines["peak"].value == pytest.approx(3 * lines["average"].value)
    assert [row["name"] for row in planned.rows()] == [line.name for line in planned.lines]


def test_a_notebook_shows_tables_and_no_markup_of_a_scenario(mm1):
    results = windtunnel.run(mm1, replications=2)
    shown = results._repr_html_()
    assert "<th>utilisation</th>" in shown and "server (service)" in shown and "availability &gt;= 99%" in shown
    results["scenario"] = "<script>alert(1)</script>"
    results["nodes"] = {"<b>": results.nodes.server}
    assert "<script>" not in results._repr_html_() and "<b> (" not in results._repr_html_()
    for other in (windtunnel.compare(mm1, replications=2), windtunnel.check(mm1, replications=20)):
        assert other._repr_html_().count("<table>") == 1


def test_figures_are_shown_in_the_unit_they_are_said_in():
    from windtunnel._html import number, seconds, share

    assert [seconds(v) for v in (0, 2.5e-8, 3e-5, 0.1434, 12.34, 1234.5)] == [
        "0 s", "25 ns", "30 µs", "143 ms", "12.3 s", "1,234 s",
    ]  # fmt: skip
    assert [share(v) for v in (0, 0.5, 0.99949, 0.9999999, 1)] == ["0 %", "50 %", "99.95 %", "99.99999 %", "100 %"]
    assert [number(v) for v in (0.0, 0.012345, 99.94, 172934.4)] == ["0", "0.0123", "99.9", "172,934"]


def test_data_is_looked_for_where_it_is_said_to_be(here):
    (here / "d").mkdir()
    (here / "d" / "t.csv").write_text("at\n" + "".join(f"{n / 4}\n" for n in range(240)))
    text = MM1.replace("poisson(9/s)", "trace(file=t.csv column=at unit=s)")
    with pytest.raises(windtunnel.ScenarioError, match="t.csv"):
        windtunnel.run(text, replications=1)
    results = windtunnel.run(text, data=Path("d"), replications=1)
    assert [data.name for data in results.data] == ["t.csv"]
    assert results.summary.requests.issued == 220, "those of the warm-up are not counted"

"""What goes wrong is an exception that says what and where."""

from __future__ import annotations

import math
import os
import pickle

import pytest
import windtunnel
from conftest import MM1, MM1_DICT

BAD = MM1.replace("to: server", "to: sever").replace("60s", "60")


def test_problems_have_places_codes_and_help(here):
    (here / "bad.yaml").write_text(BAD)
    calls = [windtunnel.run, windtunnel.check, windtunnel.compare]
    for call in calls:
        with pytest.raises(windtunnel.ScenarioError) as raised:
            call("bad.yaml")
        duration, client = raised.value.problems
        assert (duration.file, duration.line, duration.column, duration.severity) == ("bad.yaml", 3, 11, "error")
        assert duration.text == duration.message and duration.code.startswith("E-")
        assert (client.line, client.column, client.code, client.help) == (5, 46, "E-REF", "did you mean `server`?")
        assert str(raised.value).startswith(f"bad.yaml:3:11: error[{duration.code}]: {duration.text}")
    with pytest.raises(windtunnel.ScenarioError) as raised:
        windtunnel.run(BAD.replace("60", "60s"))
    (problem,) = raised.value.problems
    assert (problem.file, problem.line, problem.code) == ("-", 5, "E-REF")
    assert "server" in problem.help
    assert f"\n  help: {problem.help}" in str(raised.value)
    assert isinstance(raised.value, ValueError) and isinstance(raised.value, windtunnel.WindtunnelError)
    assert pickle.loads(pickle.dumps(raised.value)).problems == raised.value.problems


def test_the_place_in_a_dict_is_that_of_its_json():
    bad = {**MM1_DICT, "nodes": {"server": {"service": {"cores": 1, "wrok": "1ms"}}}}
    with pytest.raises(windtunnel.ScenarioError) as raised:
        windtunnel.run(bad)
    problem = raised.value.problems[0]
    assert (problem.path, problem.code) == ("nodes.server.service.wrok", "E-UNKNOWN-KEY")
    import json

    line = json.dumps(bad, indent=2).splitlines()[problem.line - 1]
    assert line[problem.column - 1 :].startswith('"wrok"')


def test_validate_lists_and_raises_nothing(here):
    (here / "bad.yaml").write_text(BAD)
    found = windtunnel.validate("bad.yaml")
    assert [(one.line, one.severity) for one in found] == [(3, "error"), (5, "error")]
    sound = windtunnel.validate(MM1)
    assert {one.severity for one in sound} == {"warning"} and "W-SPOF" in {one.code for one in sound}
    assert windtunnel.validate(MM1, set={"nodes.server.service.cores": "many"})[0].code.startswith("E-")
    missing = windtunnel.validate("nowhere.yaml")
    assert missing[0].code == "E-IO" and missing[0].line is None


@pytest.mark.parametrize(
    ("options", "phrase"),
    [
        ({"set": {"nodes.server.service.coers": 2}}, "cores"),
        ({"set": {"nodes.server.service.cores": "many"}}, "many"),
        ({"set": {"nonsense": 1}}, "nonsense"),
        ({"variant": "slow"}, "fast"),
        ({"replications": 0}, "replications"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**64}, "seed"),
        ({"jobs": 0}, "jobs"),
        ({"precision": "200%"}, "precision"),
        ({"data": "nowhere/at/all", "set": {"clients.load.arrivals": "trace(file=a.csv column=t unit=s)"}}, "a.csv"),
    ],
)
def test_what_cannot_be_asked_is_a_scenario_error(options, phrase):
    with pytest.raises(windtunnel.ScenarioError) as raised:
        windtunnel.run(MM1, **options)
    assert phrase in str(raised.value)
    assert raised.value.problems[0].severity == "error"
    assert not raised.value.problems[0].text.startswith("error")


def test_nothing_that_is_handed_over_is_taken_for_an_option(here):
    (here / "--help").write_text(MM1)
    assert windtunnel.run("--help", replications=1).scenario == "mm1"
    with pytest.raises(windtunnel.ScenarioError, match="--version"):
        windtunnel.run(MM1, variant="--version")
    with pytest.raises(windtunnel.ScenarioError, match="E-IO"):
        windtunnel.run("-")


@pytest.mark.parametrize("scenario", [None, 7, ["mm1.yaml"], b"mm1.yaml"])
def test_other_things_are_no_scenario(scenario):
    with pytest.raises(TypeError, match="a path, a text or a dict"):
        windtunnel.run(scenario)


def test_values_that_no_scenario_can_hold():
    with pytest.raises(ValueError):
        windtunnel.run({**MM1_DICT, "confidence": math.nan})
    with pytest.raises(ValueError):
        windtunnel.run(MM1, set={"confidence": math.inf})
    with pytest.raises(TypeError, match="`set` is a dict"):
        windtunnel.run(MM1, set="a=b")
    with pytest.raises(ValueError, match="one variant"):
        windtunnel.run(MM1, variant="fast,fast")
    with pytest.raises(ValueError, match="at most one"):
        windtunnel.compare(MM1, MM1_DICT)


def test_deep_and_empty_scenarios_are_refused_by_the_program():
    deep = "[" * 5000 + "]" * 5000
    for text in ("\n", "{", "{}", deep + "\n", "windtunnel: 1\n" * 2, "\0\n"):
        with pytest.raises(windtunnel.ScenarioError) as raised:
            windtunnel.run(text)
        assert raised.value.problems[0].code.startswith("E-"), text[:20]


def test_a_plan_without_requirements_is_a_scenario_error():
    with pytest.raises(windtunnel.ScenarioError, match="requirements"):
        windtunnel.plan(MM1)
    with pytest.raises(windtunnel.ScenarioError, match="nothing to compare"):
        windtunnel.compare({**MM1_DICT, "variants": {}})
    with pytest.raises(windtunnel.ScenarioError, match="no objectives"):
        windtunnel.check({**MM1_DICT, "slos": []})


def test_only_who_asks_for_it_gets_an_exception_of_a_verdict():
    fail = {"slos": ["availability >= 99%", "p99(latency) <= 1ms"]}
    assert windtunnel.check(MM1, set=fail).verdict == "fail"
    with pytest.raises(windtunnel.Failed, match=r"^p99\(latency\) <= 1ms: fail") as raised:
        windtunnel.check(MM1, set=fail, raise_=True)
    assert raised.value.result.files[0].slos[0].verdict == "pass"
    mean = windtunnel.run(MM1, replications=20).summary.latency.mean.value
    close = {"slos": [f"mean(latency) <= {mean:.4f}s"]}
    assert windtunnel.check(MM1, set=close, replications=20).verdict == "inconclusive"
    with pytest.raises(windtunnel.Inconclusive, match="inconclusive") as raised:
        windtunnel.check(MM1, set=close, replications=20, raise_=True)
    assert raised.value.result.exit == 3
    assert windtunnel.check(MM1, raise_=True).passed


@pytest.mark.skipif(os.name == "nt", reason="a script stands for the program")
def test_a_crash_is_an_exception_with_the_seed(fake):
    said = "mm1.yaml: internal error in replication 3, seed 77: requests were lost\n  windtunnel run mm1.yaml --seed 1"
    fake(f"sys.stderr.write({said!r}); sys.exit(5)")
    with pytest.raises(windtunnel.Crash, match="replication 3, seed 77") as raised:
        windtunnel.run(MM1)
    assert raised.value.code == 5
    fake("os.kill(os.getpid(), signal.SIGKILL)")
    for call in (windtunnel.run, windtunnel.check, windtunnel.compare, windtunnel.plan, windtunnel.validate):
        with pytest.raises(windtunnel.Crash, match="SIGKILL") as raised:
            call(MM1)
        assert raised.value.code == -9
    fake("sys.exit(101)")
    with pytest.raises(windtunnel.Crash, match="101"):
        windtunnel.run(MM1)


@pytest.mark.skipif(os.name == "nt", reason="a script stands for the program")
def test_what_is_not_whole_is_not_handed_back(fake):
    fake("print('{\"status\": \"truncated\"}'); sys.stderr.write('a.yaml: stopped at a limit: x\\n'); sys.exit(4)")
    with pytest.raises(windtunnel.Truncated, match="stopped at a limit") as raised:
        windtunnel.run(MM1)
    assert raised.value.results.status == "truncated"
    fake('print(\'{"status": "interrupted"}\'); sys.exit(130)')
    with pytest.raises(windtunnel.Interrupted):
        windtunnel.run(MM1)

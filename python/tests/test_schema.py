"""The schema for editors, judged by a validator that is not ours."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import windtunnel._program

jsonschema = pytest.importorskip("jsonschema")
yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path
    for folder in ("scenarios", "docs/plan")
    for path in (ROOT / folder).rglob("*.yaml")
    if "windtunnel:" in path.read_text()
)


class Reader(yaml.SafeLoader):
    """As editors read YAML: `on` and `1:30` are texts (YAML 1.2)."""


KEPT = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:null")
Reader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if tag in KEPT]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Reader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), list("tf"))


@pytest.fixture(scope="module")
def validator():
    program = str(windtunnel._program.program())
    schema = json.loads(subprocess.run([program, "schema"], check=True, capture_output=True).stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_there_are_files():
    assert len(FILES) > 70


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_the_program_runs_the_schema_accepts(validator, path):
    scenario = yaml.load(path.read_text(), Reader)
    wrong = [f"{'.'.join(map(str, one.absolute_path))}: {one.message[:200]}" for one in validator.iter_errors(scenario)]
    assert not wrong


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("service:", "servce:"),
        ("cores: 1", "cors: 1"),
        ("arrivals:", "arivals:"),
        ("clients:", "client:"),
        ("duration: 5m", "duration: 5"),
        ("instances: 8", "instances: {a: b}"),
    ],
)
def test_what_is_misspelt_it_refuses(validator, old, new):
    text = (ROOT / "scenarios/balanced-tier.yaml").read_text()
    assert old in text
    assert list(validator.iter_errors(yaml.load(text.replace(old, new), Reader)))


BASE = """windtunnel: 1
name: corpus
duration: 60s
warm_up: 10s
topology: {regions: {r: [a, b]}}
network: {same_zone: exp(mean=0.2ms), links: [{from: web, to: db, latency: 1ms, bandwidth: 1Gbps}]}
clients:
  web:
    zones: [a]
    arrivals: poisson(100/s)
    keys: zipf(n=10k s=0.9)
    attributes: {tier: choice(gold=20% free=80%)}
    size: 2KB
    timeout: 1s
    deadline: 2s
    retry: {attempts: 2, backoff: exponential(base=50ms max=1s), budget: 10%}
    rate_limit: token_bucket(rate=100/s burst=200)
    operations: {see: {to: lb, share: 60%}, edit: {write: db, share: 40%}}
nodes:
  lb: {load_balancer: {to: [api], policy: least_requests}}
  api:
    service:
      cores: 2
      zones: [a, b]
      discipline: fifo
      work: lognormal(median=2ms p99=20ms)
      boot: 5s
      price: $0.17/h
      calls: [hot]
  hot: {cache: {from: db, capacity: 4GB, eviction: lru, ttl: 60s}}
  db:
    store:
      shards: {count: 2, by: hash}
      read: 1ms
      write: 2ms
      value_size: 1KB
      durability: {mode: each, fsync: 1ms}
      replication: {quorum: {replicas: 3, read: 2, write: majority}}
clocks: {offset: 0ms}
alerts: {bad: {when: "error_fraction(node=api window=30s) > 1%", for: 10s}}
faults:
  - {id: slow, at: 20s, for: 10s, slow: {node: api, factor: 4}}
  - {id: cut, at: 40s, for: 5s, partition: {between: [[db@0], [db@1, db@2]]}}
slos: [p99(latency) <= 400ms, availability(operation=see) >= 99%]
"""

#: What else could stand in its place.
OTHERS = [
    ("poisson(100/s)", ["constant(100/s)", "closed(users=10 think=1s)", "renewal(exp(mean=10ms))"]),
    ("zipf(n=10k s=0.9)", ["uniform(n=5)", "sequential(n=100)", "hot(n=1M hot=1% share=80%)"]),
    ("choice(gold=20% free=80%)", ["5%", "exp(mean=3)", "0.2"]),
    ("fifo", ["lifo", "shared", "codel(target=5ms interval=100ms)", "random"]),
    ("least_requests", ["random", "round_robin(smooth=true)", "power_of_d(d=3)", "sticky"]),
    ("eviction: lru", ["eviction: sieve", "eviction: sampled_lru(samples=5)", "eviction: w_tinylfu"]),
    ("capacity: 4GB", ["capacity: 745", "capacity: 200k", "capacity: 1.5GiB"]),
    (
        "lognormal(median=2ms p99=20ms)",
        ["2ms", "exp(mean=2ms)", "1ms + exp(mean=1ms)", "shift(1ms exp(mean=1ms))", "2ms + 0.2ms/KB * size"],
    ),
    ("mode: each", ["mode: never", "mode: group(5ms)"]),
    ("write: majority", ["write: all", "write: 2"]),
    ("budget: 10%", ["budget: concurrent(20% min=3)", "budget: 5%"]),
    ("exponential(base=50ms max=1s)", ["constant(20ms)", "linear(base=50ms max=1s)"]),
    ("token_bucket(rate=100/s burst=200)", ["leaky_bucket(rate=100/s queue=50)", "sliding_window(limit=10 per=1s)"]),
    ("by: hash", ["by: consistent_hash(vnodes=10)", "by: directory"]),
    ("deadline: 2s", ["deadline: propagate", "deadline: 1.5s"]),
    ("warm_up: 10s", ["warm_up: auto", "warm_up: 0s"]),
    ("1Gbps", ["100MB/s", "12kbps"]),
    ("p99(latency)", ["p99.9(latency)", "mean(latency client=web)", "fraction(latency <= 300ms)"]),
    ("availability(operation=see)", ["nodes.api.utilisation", "stale_read_fraction", "cost.per_month"]),
    ("error_fraction(node=api window=30s) > 1%", ["p99(latency client=web window=1m) > 400ms"]),
]

MISSPELT = [
    ("poisson(100/s)", "poison(100/s)"),
    ("poisson(100/s)", "100/s"),
    ("zipf(", "zipff("),
    ("choice(", "choise("),
    ("size: 2KB", "size: 2kb"),
    ("timeout: 1s", "timeout: 1 s"),
    ("timeout: 1s", "timeout: 1sec"),
    ("deadline: 2s", "deadline: propogate"),
    ("exponential(", "exponental("),
    ("budget: 10%", "budget: ten"),
    ("token_bucket(", "tokenbucket("),
    ("share: 60%", "share: 60percent"),
    ("least_requests", "least_connections"),
    ("fifo", "fifoo"),
    ("lognormal(", "log_normal("),
    ("boot: 5s", "boot: 5sec"),
    ("price: $0.17/h", "price: 0.17/h"),
    ("eviction: lru", "eviction: lruu"),
    ("capacity: 4GB", "capacity: 4 gigabytes"),
    ("ttl: 60s", "ttl: 60"),
    ("by: hash", "by: hsah"),
    ("mode: each", "mode: always"),
    ("write: majority", "write: most"),
    ("1Gbps", "1Gb"),
    ("error_fraction(", "errors_fraction("),
    ("slow: {node", "slwo: {node"),
    ("factor: 4", "factor: 4x"),
    ("at: 20s", "at: 20"),
    ("db@1", "db@@1"),
    ("p99(latency)", "pp99(latency)"),
    ("availability(", "availabilty("),
    ("service:", "servise:"),
    ("quorum: {", "quorom: {"),
    ("duration: 60s", "duration: 1 minute"),
]


def problems(text, tmp_path):
    file = tmp_path / "corpus.yaml"
    file.write_text(text)
    run = subprocess.run(
        [str(windtunnel._program.program()), "validate", str(file), "--format", "json"],
        capture_output=True,
        check=False,
    )
    return [one for one in json.loads(run.stdout) if one["code"].startswith("E-")]


def test_what_the_parser_takes_the_schema_takes(validator, tmp_path):
    assert not problems(BASE, tmp_path)
    for old, others in [("name: corpus", ["name: corpus"]), *OTHERS]:
        for other in others:
            assert old in BASE
            text = BASE.replace(old, other)
            # What does not go together with the rest is no matter of form.
            form = [one for one in problems(text, tmp_path) if one["code"] in ("E-ENUM", "E-UNIT", "E-TYPE", "E-VALUE")]
            assert not form, (other, form)
            assert not list(validator.iter_errors(yaml.load(text, Reader))), other


def test_misspelt_values_are_refused_by_both(validator, tmp_path):
    missed = []
    for old, new in MISSPELT:
        assert old in BASE
        text = BASE.replace(old, new)
        assert problems(text, tmp_path), new
        if not list(validator.iter_errors(yaml.load(text, Reader))):
            missed.append(new)
    assert not missed


@pytest.mark.parametrize("seed", range(1, 31))
def test_random_designs_fit(validator, seed):
    program = str(windtunnel._program.program())
    text = subprocess.run([program, "fuzz", "--seed", str(seed), "--print"], check=True, capture_output=True).stdout
    assert not list(validator.iter_errors(yaml.load(text, Reader)))


def kinds(schema):
    return schema["$defs"]["NodeSpec"]


def test_editors_are_offered_all_kinds_and_policies(validator):
    node = kinds(validator.schema)
    assert {"service", "store", "cache", "queue"} <= set(node["properties"])
    assert node["minProperties"] == 1
    assert "oneOf" not in node
    eviction = validator.schema["$defs"]["CacheSpec"]["properties"]["eviction"]["anyOf"][0]
    assert len(eviction["examples"]) >= 12

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

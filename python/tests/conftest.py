"""What the tests share: a small design, the program itself, programs that misbehave."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Callable, List

import pytest
import windtunnel
from windtunnel._program import program

#: A single server; a run of it takes milliseconds.
MM1 = """\
windtunnel: 1
name: mm1
duration: 60s
warm_up: 5s
clients: {load: {arrivals: poisson(9/s), to: server}}
nodes: {server: {service: {cores: 1, work: exp(mean=100ms)}}}
slos:
  - availability >= 99%
variants:
  fast: {nodes.server.service.work: exp(mean=50ms)}
"""

#: The same as a dict.
MM1_DICT = {
    "windtunnel": 1,
    "name": "mm1",
    "duration": "60s",
    "warm_up": "5s",
    "clients": {"load": {"arrivals": "poisson(9/s)", "to": "server"}},
    "nodes": {"server": {"service": {"cores": 1, "work": "exp(mean=100ms)"}}},
    "slos": ["availability >= 99%"],
    "variants": {"fast": {"nodes.server.service.work": "exp(mean=50ms)"}},
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the working directory; nothing may be left in it but what the test put there."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def mm1(here: Path) -> Path:
    path = here / "mm1.yaml"
    path.write_text(MM1)
    return path


@pytest.fixture
def cli() -> Callable[..., "subprocess.CompletedProcess[bytes]"]:
    """The program as a shell would call it."""

    def call(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run([program(), *arguments], capture_output=True, check=False)

    return call


@pytest.fixture
def fake(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Has `WINDTUNNEL` name a program that says it is windtunnel, then does what it is told here."""

    def make(body: str, version: str = windtunnel.__version__) -> Path:
        path = tmp_path_factory.mktemp("fake") / "windtunnel"
        lines: List[str] = [
            f"#!{sys.executable}",
            "import os, signal, sys, time",
            "if sys.argv[1:] == ['--version']:",
            f"    print('windtunnel {version}')",
            "    sys.exit(0)",
            body,
        ]
        path.write_text("\n".join(lines) + "\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("WINDTUNNEL", os.fspath(path))
        return path

    return make

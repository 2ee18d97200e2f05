"""The program behind the package: found, of the same version, ended with whoever called it, and quick."""

from __future__ import annotations

import importlib.metadata
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import windtunnel
from conftest import MM1
from windtunnel import _program

POSIX = pytest.mark.skipif(os.name == "nt", reason="a script stands for the program")
#: Longer than any test waits.
LONG = MM1.replace("60s", "100000s")


def test_versions_agree(cli):
    assert windtunnel.__version__ == importlib.metadata.version("windtunnel") == windtunnel.version()
    assert cli("--version").stdout.decode().split() == ["windtunnel", windtunnel.__version__]
    print(f"Python {sys.version.split()[0]}, windtunnel {windtunnel.version()}")


def test_the_program_is_found_beside_the_scripts(monkeypatch):
    monkeypatch.delenv("WINDTUNNEL", raising=False)
    import sysconfig

    assert Path(_program.program()).parent == Path(sysconfig.get_path("scripts"))
    ran = subprocess.run([sys.executable, "-m", "windtunnel", "--version"], capture_output=True, check=True)
    assert ran.stdout.decode().split() == ["windtunnel", windtunnel.__version__]


@POSIX
def test_another_version_is_refused_with_both_named(fake):
    path = fake("sys.exit(0)", version="9.9.9")
    calls = [windtunnel.run, windtunnel.check, windtunnel.compare, windtunnel.plan, windtunnel.validate]
    for call in [*(lambda call=call: call(MM1) for call in calls), windtunnel.version]:
        with pytest.raises(windtunnel.VersionMismatch) as raised:
            call()
        told = str(raised.value)
        assert "9.9.9" in told and windtunnel.__version__ in told and str(path) in told


@POSIX
def test_a_program_that_is_replaced_is_asked_again(fake):
    path = fake("print('{}')")
    assert windtunnel.version() == windtunnel.__version__
    path.write_text(path.read_text().replace(f"windtunnel {windtunnel.__version__}", "windtunnel 0.0.1"))
    os.utime(path, ns=(1, 1))
    with pytest.raises(windtunnel.VersionMismatch, match=r"0\.0\.1"):
        windtunnel.version()


@POSIX
def test_other_programs_and_no_program_are_refused(fake, monkeypatch, tmp_path):
    path = fake("")
    path.write_text("#!/bin/sh\necho hello\n")
    with pytest.raises(windtunnel.VersionMismatch, match="no program of windtunnel.*hello"):
        windtunnel.version()
    path.write_text("no program at all")
    with pytest.raises(windtunnel.ProgramNotFound, match="cannot be run"):
        windtunnel.version()
    monkeypatch.setenv("WINDTUNNEL", str(tmp_path / "nowhere"))
    with pytest.raises(windtunnel.ProgramNotFound, match="nowhere, which is no file"):
        windtunnel.version()
    monkeypatch.delenv("WINDTUNNEL")
    monkeypatch.setattr(_program, "_places", lambda: [str(tmp_path)])
    with pytest.raises(windtunnel.ProgramNotFound, match="install the wheel"):
        windtunnel.version()


def test_a_folder_that_was_asked_for_holds_package_and_program(tmp_path):
    """As `pip install --target` lays them."""
    (tmp_path / "bin").mkdir()
    import shutil

    shutil.copytree(Path(windtunnel.__file__).parent, tmp_path / "windtunnel")
    shutil.copy(_program.program(), tmp_path / "bin")
    script = """if True:
        import sys
        from windtunnel import _program
        here = [place for place in _program._places() if place.startswith(sys.argv[1])]
        _program._places = lambda: here
        print(_program.program())
    """
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    environment.pop("WINDTUNNEL", None)
    call = [sys.executable, "-c", script, str(tmp_path)]
    ran = subprocess.run(call, env=environment, stdout=subprocess.PIPE, check=True)
    assert Path(ran.stdout.decode().strip()).parent == tmp_path / "bin"


#: Calls `run` and tells the number of each process it starts.
CALLER = """
import signal, subprocess, sys
import windtunnel
# Whatever the shell of these tests made of it.
signal.signal(signal.SIGINT, signal.default_int_handler)
windtunnel.version()
class Told(subprocess.Popen):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        print(self.pid, flush=True)
subprocess.Popen = Told
try:
    windtunnel.run(sys.stdin.read(), replications=1000)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def interrupted(environment=None):
    """Interrupts a call a moment after the program has begun: how long it took to end, and who is left."""
    caller = subprocess.Popen(
        [sys.executable, "-c", CALLER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )
    caller.stdin.write(LONG.encode())
    caller.stdin.close()
    program = int(caller.stdout.readline())
    time.sleep(0.5)
    os.kill(program, 0)
    began = time.monotonic()
    # To the caller alone, as a notebook does it.
    caller.send_signal(signal.SIGINT)
    said = caller.stdout.read()
    assert caller.wait(30) == 0
    took = time.monotonic() - began
    assert said == b"interrupted\n"
    with pytest.raises(ProcessLookupError):
        os.kill(program, 0)
    return took


@POSIX
def test_an_interrupt_ends_the_program_too():
    assert interrupted() < 2, "it ends by itself"


@POSIX
def test_a_program_that_does_not_heed_an_interrupt_is_ended(fake):
    path = fake("signal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: time.sleep(60)")
    assert interrupted({"WINDTUNNEL": str(path)}) < 10


def test_no_file_is_left_behind(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    windtunnel.run(MM1, replications=1)
    windtunnel.compare(MM1, replications=2)
    with pytest.raises(windtunnel.ScenarioError):
        windtunnel.check("{}")
    assert list(tmp_path.iterdir()) == []


def test_many_calls_at_once_are_calls_one_after_the_other():
    from concurrent.futures import ThreadPoolExecutor

    def fingerprint(seed):
        return windtunnel.run(MM1, replications=1, seed=seed, jobs=1).fingerprint

    seeds = range(8)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(fingerprint, seeds)) == [fingerprint(seed) for seed in seeds]


def test_importing_is_quick_and_brings_nothing_along():
    took = []
    for _ in range(3):
        ran = subprocess.run(
            [sys.executable, "-X", "importtime", "-c", "import windtunnel"], capture_output=True, check=True
        )
        (line,) = re.findall(r"\|\s*(\d+) \| windtunnel\n", ran.stderr.decode() + "\n")
        took.append(int(line) / 1e6)
    print(f"import windtunnel: {min(took) * 1e3:.1f} ms")
    assert min(took) < 0.1, took
    script = "import sys, windtunnel; print([m for m in ('pandas', 'polars', 'ray', 'numpy') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert ran.stdout.decode().strip() == "[]"


def test_the_wheel_installs_quickly_without_rust(tmp_path):
    wheel = os.environ.get("WINDTUNNEL_WHEEL")
    if not wheel:
        pytest.skip("WINDTUNNEL_WHEEL names no wheel to install")
    # No compiler is to be found, and no registry is asked.
    environment = {**os.environ, "PATH": str(tmp_path / "empty")}
    folder = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--target", str(folder), wheel]
    began, before = time.monotonic(), os.times()
    subprocess.run(pip, env=environment, check=True)
    took, after = time.monotonic() - began, os.times()
    # What a machine with nothing else to do takes: other tests run beside this one.
    busy = after.children_user + after.children_system - before.children_user - before.children_system
    print(f"installing the wheel: {took:.2f} s, {busy:.2f} s of a processor")
    assert busy < 2
    ran = subprocess.run([folder / "bin" / "windtunnel", "--version"], capture_output=True, check=True)
    assert ran.stdout.decode().split() == ["windtunnel", windtunnel.__version__]

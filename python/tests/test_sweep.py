"""Sweeps: what the program makes of them, and on Ray the same to the byte."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
import windtunnel
from conftest import MM1, MM1_DICT
from windtunnel import _ray
from windtunnel._program import program

AXES = {"nodes.server.service.cores": range(1, 4), "variant": ["base", "fast"]}


def files(folder: Path) -> dict:
    """Everything below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_sweep_is_the_document_of_the_program(mm1, cli, here):
    vary = ["--vary", "nodes.server.service.cores=[1, 2, 3]", "--vary", "variant=[base, fast]"]
    ran = cli("sweep", "mm1.yaml", *vary, "--format=json", "-n", "3", "--out", "o")
    swept = windtunnel.sweep("mm1.yaml", AXES, replications=3)
    assert swept == json.loads(ran.stdout)
    assert [path.name for path in here.iterdir() if path.name != "o"] == ["mm1.yaml"], "nothing is left here"
    again = windtunnel.sweep(MM1_DICT, AXES, replications=3, out="o2", jobs=1)
    assert again == swept
    assert files(here / "o2") == files(here / "o")
    assert (swept.cells, len(swept.done), swept.status) == (6, 6, "complete")


def test_cells_are_the_rows_of_the_csv(mm1, here):
    swept = windtunnel.sweep(mm1, AXES, {"slos": ["p99(latency) <= 300ms"]}, replications=8, out="o")
    (path,) = here.glob("o/mm1/sweep-*/cells.csv")
    with path.open() as file:
        lines = list(csv.DictReader(file))
    rows = swept.rows()
    assert len(rows) == len(lines) == 6
    assert list(rows[0]) == list(lines[0])
    for row, line in zip(rows, lines):
        for name, cell in row.items():
            assert ("" if cell is None else str(cell)) == line[name] or float(line[name]) == cell, name
    assert [row["nodes.server.service.cores"] for row in rows] == [1, 1, 2, 2, 3, 3]
    verdicts = [row["p99(latency) <= 300ms"] for row in rows]
    assert verdicts[0] == "missed" and "met" in verdicts
    assert verdicts[swept.best.cell] == "met"
    assert repr(swept).startswith("<Sweep of mm1: 6 cells, 8 replications each; best: nodes.server.service.cores=")
    shown = swept._repr_html_()
    assert shown.count("<tr>") == 7 and "missed p99(latency) &lt;= 300ms" in shown


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_cells_become_a_data_frame(package, mm1):
    pytest.importorskip(package)
    swept = windtunnel.sweep(mm1, {"nodes.server.service.cores": "1..2"}, replications=2)
    frame = getattr(swept, f"to_{package}")()
    assert len(frame) == 2 and "p99(latency)_upper" in frame.columns


def test_the_sweep_of_a_scenario_itself_and_its_options(here):
    own = MM1 + "sweep: {nodes.server.service.cores: 1..2}\n"
    swept = windtunnel.sweep(own, seed=9, metrics=["max(latency)"], replications=2)
    assert (swept.cells, swept.seed) == (2, 9)
    assert "max(latency)" in swept.done[0].figures
    units = {"nodes.server.service.work": ["exp(mean=90ms)", "exp(mean=100ms)"]}
    assert [axis.path for axis in windtunnel.sweep(own, units, replications=1).axes] == ["nodes.server.service.work"]
    assert "50 % precise" in windtunnel.sweep(own, {"nodes.server.service.cores": [3]}, precision="50%").rule


@pytest.mark.parametrize(
    ("vary", "phrase"),
    [
        ({"nodes.server.service.coers": [1, 2]}, "cores"),
        ({"nodes.server.service.cores": [1, "many"]}, "cell 1 (nodes.server.service.cores=many) cannot be run"),
        ({"nodes.server.service.cores": []}, "there is no value to take"),
        ({"variant": ["slow"]}, "fast"),
        (None, "sweep"),
    ],
)
def test_what_cannot_be_swept_is_a_scenario_error(vary, phrase, mm1):
    with pytest.raises(windtunnel.ScenarioError) as raised:
        windtunnel.sweep(mm1, vary)
    assert phrase in str(raised.value)


def test_other_places_to_sweep_on_are_refused(mm1, monkeypatch):
    with pytest.raises(ValueError, match="not on 'dask'"):
        windtunnel.sweep(mm1, AXES, on="dask")
    with pytest.raises(windtunnel.ScenarioError, match="max-cells"):
        windtunnel.sweep(mm1, AXES, max_cells=2)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"windtunnel\[ray\]"):
        windtunnel.sweep(mm1, AXES, on="ray")
    with pytest.raises(ValueError, match="per_task"):
        windtunnel.sweep(mm1, AXES, on="ray", per_task=0)


class TestJournal:
    """The journal that a driver writes is the program's own."""

    @pytest.fixture
    def journal(self, mm1, here):
        """That of a finished sweep: its file, its head."""
        windtunnel.sweep(mm1, AXES, replications=1, out="o")
        (path,) = here.glob("o/mm1/sweep-*/journal.jsonl")
        return path, path.read_text().splitlines()[0]

    def test_what_is_torn_is_dropped_and_simulated_again(self, journal, mm1, here):
        path, head = journal
        whole = path.read_bytes()
        path.write_bytes(whole[:-10])
        with _ray._Journal(str(path.parent), head) as opened:
            assert sorted(opened.done) == [0, 1, 2, 3, 4]
        assert whole.startswith(path.read_bytes())
        assert windtunnel.sweep(mm1, AXES, replications=1, out="o").status == "complete"
        assert path.read_bytes() == whole

    def test_of_another_sweep_or_damaged_it_is_refused(self, journal):
        path, head = journal
        lines = path.read_text().splitlines()
        with pytest.raises(windtunnel.WindtunnelError, match="another sweep"):
            _ray._Journal(str(path.parent), head.replace('"cells":6', '"cells":7')).__enter__()
        path.write_text("\n".join([lines[0], lines[1][5:], *lines[2:], ""]))
        with pytest.raises(windtunnel.WindtunnelError, match="line 2 is damaged"):
            _ray._Journal(str(path.parent), head).__enter__()

    @pytest.mark.skipif(os.name == "nt", reason="there is no such lock")
    def test_there_is_one_writer(self, journal, mm1):
        path, head = journal
        with _ray._Journal(str(path.parent), head):
            with pytest.raises(windtunnel.WindtunnelError, match="in use"):
                _ray._Journal(str(path.parent), head).__enter__()
            with pytest.raises(windtunnel.ScenarioError, match="in use"):
                windtunnel.sweep(mm1, AXES, replications=1, out="o")


#: 200 cells; their load is read from a file.
MANY = MM1.replace("poisson(9/s)", "trace(file=t.csv column=at unit=s at_end=repeat)").replace("60s", "600s")
MANY_AXES = {"nodes.server.service.work": "0.5ms..100ms step 0.5ms"}


@pytest.fixture
def many(here):
    """The scenario and its data, in folders beside each other."""
    for name in ("designs", "data"):
        (here / name).mkdir()
    (here / "designs" / "many.yaml").write_text(MANY)
    (here / "data" / "t.csv").write_text("at\n" + "".join(f"{n / 9}\n" for n in range(540)))
    return here / "designs" / "many.yaml"


@pytest.fixture(scope="module")
def ray():
    """A cluster of two workers on this machine."""
    ray = pytest.importorskip("ray", reason="there is no Ray here")
    began = time.monotonic()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    print(f"Ray {ray.__version__} starts: {time.monotonic() - began:.1f} s")
    yield ray
    ray.shutdown()


def running(name: str) -> dict:
    """Numbers of processes whose first word is this, and their parents."""
    found = {}
    for place in Path("/proc").iterdir():
        try:
            words = (place / "cmdline").read_bytes().split(b"\0")
            if place.name.isdigit() and words[0].decode() == name:
                found[int(place.name)] = int((place / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, UnicodeDecodeError):
            pass
    return found


class Killer(threading.Thread):
    """Kills the first worker that is seen at work."""

    def __init__(self):
        super().__init__(daemon=True)
        #: The worker, and its program.
        self.killed = None
        self.start()

    def run(self):
        deadline = time.monotonic() + 60
        while self.killed is None and time.monotonic() < deadline:
            for pid, worker in running(program()).items():
                name = Path(f"/proc/{worker}/cmdline")
                if name.exists() and name.read_bytes().startswith(b"ray::"):
                    # Amid its work.
                    time.sleep(0.2)
                    os.kill(worker, signal.SIGKILL)
                    self.killed = worker, pid
                    return
            time.sleep(0.02)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
def test_two_workers_one_of_them_killed_give_the_same_bytes(many, here, ray, monkeypatch):
    left = here / "left"
    left.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(left))
    began = time.monotonic()
    alone = windtunnel.sweep(many, MANY_AXES, replications=2, data="data", jobs=2, out="alone")
    took_alone = time.monotonic() - began
    assert alone.cells == 200
    began = time.monotonic()
    on_ray = {"replications": 2, "data": "data", "on": "ray", "per_task": 0.5}
    undisturbed = windtunnel.sweep(many, MANY_AXES, **on_ray, out="undisturbed")
    took = time.monotonic() - began
    killer = Killer()
    disturbed = windtunnel.sweep("designs/many.yaml", MANY_AXES, **on_ray, out="disturbed")
    killer.join()
    assert killer.killed, "a worker was at work"
    assert undisturbed == disturbed == alone
    assert files(here / "undisturbed") == files(here / "disturbed") == files(here / "alone")
    assert running(program()) == {}, "the program of the killed worker ended too"
    assert list(left.iterdir()) == []
    each = (took - took_alone) / 200
    print(f"200 cells: {took_alone:.1f} s alone, {took:.1f} s on Ray: {each * 1e3:.0f} ms a cell on top")
    assert each < 0.05


def test_a_text_sweeps_on_ray_too(here, ray):
    alone = windtunnel.sweep(MM1, AXES, replications=2)
    assert windtunnel.sweep(MM1_DICT, AXES, replications=2, on="ray") == alone
    assert list(here.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="a script stands for the program")
def test_a_worker_of_another_version_is_refused_by_name(here, fake, monkeypatch):
    """As a worker sees it: what it is sent runs where another version is installed."""
    import socket

    task = _ray._task()
    laid = ([], ".", ["sweep", "-"], b""), "nowhere", 1, windtunnel.__version__
    path = fake("", version="9.9.9")
    with pytest.raises(windtunnel.VersionMismatch) as raised:
        _ray._checked(task(laid, [0]), [])
    told = str(raised.value)
    assert socket.gethostname() in told and "9.9.9" in told and windtunnel.__version__ in told and str(path) in told
    monkeypatch.setattr(windtunnel, "__version__", "0.0.9")
    with pytest.raises(windtunnel.VersionMismatch, match=r"it has windtunnel 0\.0\.9, this is"):
        _ray._checked(task(laid, [0]), [])
    monkeypatch.setitem(sys.modules, "windtunnel", None)
    with pytest.raises(windtunnel.VersionMismatch, match="it has no windtunnel"):
        _ray._checked(task(laid, [0]), [])


#: A sweep on a cluster whose workers find another program.
OTHER = """
import os, sys, ray, windtunnel
other = os.environ.pop("WINDTUNNEL")
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": {"WINDTUNNEL": other}})
try:
    windtunnel.sweep(sys.stdin.read(), {"nodes.server.service.cores": [1, 2]}, replications=1, on="ray")
except windtunnel.VersionMismatch as refused:
    print(refused)
"""


@pytest.mark.skipif(os.name == "nt", reason="a script stands for the program")
def test_a_cluster_with_another_version_is_refused(fake):
    pytest.importorskip("ray", reason="there is no Ray here")
    fake("", version="9.9.9")
    ran = subprocess.run([sys.executable, "-c", OTHER], input=MM1.encode(), stdout=subprocess.PIPE, check=True)
    said = ran.stdout.decode()
    assert said.startswith("the worker ") and "9.9.9" in said and windtunnel.__version__ in said


def test_what_arrives_changed_is_not_used(here):
    laid = ([("a.yaml", "0" * 64, MM1.encode())], ".", ["sweep", "a.yaml"], None), "nowhere", 1, windtunnel.__version__
    with pytest.raises(windtunnel.Crash, match=r"a\.yaml arrived with another checksum"):
        _ray._checked(_ray._task()(laid, [0]), [])
    with pytest.raises(windtunnel.WindtunnelError, match="other cells"):
        _ray._checked(("node", "done", '{"cell": 1, "key": "a"}\n', 0), [{"cell": 1, "key": "b"}])


def test_a_crash_on_a_worker_says_where_and_with_what_seed(here, fake):
    fake("sys.stderr.write('internal error in replication 3, seed 77: lost'); sys.exit(5)")
    laid = ([], ".", ["sweep", "-"], b""), "nowhere", 1, windtunnel.__version__
    with pytest.raises(
        windtunnel.Crash, match="the worker .* exit code 5: internal error in replication 3, seed 77"
    ) as raised:
        _ray._checked(_ray._task()(laid, [0]), [])
    assert raised.value.code == 5


#: A sweep on Ray, in a process of its own.
DRIVER = """
import signal, windtunnel
signal.signal(signal.SIGINT, signal.default_int_handler)
axes = {"nodes.server.service.work": "0.5ms..100ms step 0.5ms"}
try:
    windtunnel.sweep("designs/many.yaml", axes, replications=2, data="data", on="ray", per_task=0.3, out="o")
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
def test_what_is_done_when_a_driver_is_interrupted_is_not_done_again(many, here):
    pytest.importorskip("ray", reason="there is no Ray here")
    driver = subprocess.Popen([sys.executable, "-c", DRIVER], stdout=subprocess.PIPE)
    deadline = time.monotonic() + 60
    done = []
    while len(done) < 4 and driver.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
        done = [
            line for path in here.glob("o/mm1/sweep-*/journal.jsonl") for line in path.read_bytes().splitlines(True)
        ]
    assert driver.poll() is None, "it is not done yet"
    driver.send_signal(signal.SIGINT)
    assert driver.communicate(timeout=60)[0] == b"interrupted\n" and driver.returncode == 0
    deadline = time.monotonic() + 10
    while running(program()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert running(program()) == {}
    (path,) = here.glob("o/mm1/sweep-*/journal.jsonl")
    kept = path.read_bytes()
    assert kept.startswith(b"".join(done)) and 4 <= kept.count(b"\n") < 200
    # What is missing is simulated by the program alone, which tells how much is there.
    axis = next(f"--vary={path}={values}" for path, values in MANY_AXES.items())
    call = [program(), "sweep", "designs/many.yaml", axis, "-n", "2", "--data", "data", "--out", "o"]
    ran = subprocess.run(call, capture_output=True, check=True)
    there = kept.count(b"\n") - 1
    assert f"{there} of 200 cells are done".encode() in ran.stderr
    lines = path.read_bytes().splitlines(True)
    assert set(kept.splitlines(True)) <= set(lines) and len(lines) == 201

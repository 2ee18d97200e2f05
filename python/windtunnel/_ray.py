"""A sweep on Ray: cells are simulated by workers, and the journal is written here.

Scheduling, transport and what becomes of workers that die are Ray's. A task gets numbers of cells, lays the files out
in a folder of its own, runs ``windtunnel sweep --cells`` there and hands back lines of the journal.
"""

from __future__ import annotations

import json
import os
from typing import IO, Any, Dict, List, Optional, Set, Tuple

from ._errors import Crash, VersionMismatch, WindtunnelError
from ._record import Record
from ._sweep import Bundle, Call, bundle

#: How often a task whose worker died is begun again.
_RETRIES = 3
#: Tasks for each processor, so that none waits long for the last ones.
_TASKS_EACH = 4


class Workers:
    """The workers of a cluster."""

    def __init__(self, address: Optional[str], jobs: int, per_task: float) -> None:
        if per_task <= 0:
            raise ValueError("`per_task` is a number of seconds, more than 0")
        self.address, self.jobs, self.per_task = address, jobs, per_task

    def journal(self, call: Call, out: str) -> None:
        """Simulates the cells that the journal in ``out`` does not hold yet."""
        wanted = call.cells()
        head = json.loads(wanted["head"])
        folder = os.path.join(out, head["scenario"], f"sweep-{wanted['sweep']}")
        with _Journal(folder, wanted["head"]) as journal:
            cells = [cell for cell in wanted["cells"] if cell["cell"] not in journal.done]
            if cells:
                self._simulated(cells, bundle(call, wanted["files"]), wanted["seconds"] / len(wanted["cells"]), journal)

    def _simulated(self, cells: List[Record], made_of: Bundle, seconds: float, journal: "_Journal") -> None:
        from tempfile import TemporaryDirectory

        ray = _ray()
        # What workers of this machine leave behind, if they are killed, goes with it.
        with TemporaryDirectory(prefix="windtunnel-") as beside:
            self._on(ray, cells, (made_of, beside), seconds, journal)

    def _on(
        self, ray: Any, cells: List[Record], laid_out: Tuple[Bundle, str], seconds: float, journal: "_Journal"
    ) -> None:
        made_of, beside = laid_out
        ours = not ray.is_initialized()
        if ours:
            ray.init(address=self.address, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        try:
            each = min(self.per_task / max(seconds, 1e-6), len(cells) / (self._places(ray) * _TASKS_EACH))
            each = max(1, round(each))
            tasks = [cells[i : i + each] for i in range(0, len(cells), each)]
            tasks.reverse()
            task = ray.remote(num_cpus=self.jobs, max_retries=_RETRIES)(_task())
            laid = ray.put((tuple(made_of), beside, self.jobs, _version()))
            pending: Dict[Any, List[Record]] = {}
            while tasks or pending:
                # One that waits for each that runs: who ends here leaves a few seconds of work behind, so that none
                # has to be called off; and a cluster that grows sees that more is wanted.
                while tasks and len(pending) < 2 * self._places(ray):
                    of = tasks.pop()
                    pending[task.remote(laid, [cell["cell"] for cell in of])] = of
                (ready, *_), _others = ray.wait(list(pending))
                journal.append(_checked(ray.get(ready), pending.pop(ready)))
        finally:
            if ours:
                ray.shutdown()

    def _places(self, ray: Any) -> int:
        """How many tasks can run at once."""
        return max(1, int(ray.cluster_resources().get("CPU", 1)) // self.jobs)


#: How a task ended: with lines of the journal, or with the reason why there are none.
_DONE, _REFUSED, _FAILED = "done", "refused", "failed"


def _task() -> Any:
    """What a worker does; it is sent there as it is here, so that it can say of which version the worker is.

    It answers with the name of its machine, how it ended, a text, and the exit code of the program.
    """
    done, refused, failed = _DONE, _REFUSED, _FAILED

    def windtunnel_cells(laid: Any, cells: List[int]) -> Any:
        import hashlib
        import os
        import socket
        import tempfile

        (files, cwd, arguments, text), beside, jobs, wanted = laid
        node = socket.gethostname()
        try:
            import windtunnel
            from windtunnel import WindtunnelError, _call

            if windtunnel.__version__ != wanted:
                return node, refused, f"it has windtunnel {windtunnel.__version__}, this is {wanted}", 2
            windtunnel.version()
        except ImportError as error:
            return node, refused, f"it has no windtunnel ({error}), this is {wanted}", 2
        except WindtunnelError as error:
            return node, refused, str(error), 2
        near = beside if os.path.isdir(beside) else None
        with tempfile.TemporaryDirectory(prefix="windtunnel-", dir=near) as folder:
            for path, sha256, content in files:
                if hashlib.sha256(content).hexdigest() != sha256:
                    return node, failed, f"{path} arrived with another checksum", 2
                place = os.path.join(folder, path)
                os.makedirs(os.path.dirname(place), exist_ok=True)
                with open(place, "wb") as file:
                    file.write(content)
            here = os.path.join(folder, cwd)
            os.makedirs(here, exist_ok=True)
            *options, scenario = arguments
            numbers = ",".join(map(str, cells))
            ended = _call.said([*options, f"--jobs={jobs}", f"--cells={numbers}", scenario], text, here)
            # A limit that was met is told by the cell that met it.
            if ended.code not in (0, _call.LIMIT):
                told = ended.err or ended.out.decode("utf-8", "replace")
                return node, failed, f"the program ended with exit code {ended.code}: {told}", ended.code
            return node, done, ended.out.decode("utf-8"), ended.code

    return windtunnel_cells


def _checked(answer: Any, cells: List[Record]) -> str:
    """The lines of a task, if they are those of its cells."""
    node, ended, text, code = answer
    if ended == _REFUSED:
        raise VersionMismatch(f"the worker {node} is refused: {text}")
    if ended == _FAILED:
        raise Crash(f"the worker {node}: {text}", code)
    got = {cell["cell"]: cell["key"] for cell in map(json.loads, text.splitlines())}
    if got != {cell["cell"]: cell["key"] for cell in cells}:
        raise WindtunnelError(f"the worker {node} simulated other cells than it was asked for")
    return str(text)


def _version() -> str:
    from . import __version__

    return __version__


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise ImportError('a sweep on="ray" needs Ray: pip install "windtunnel[ray]"') from None
    return ray


class _Journal:
    """The journal of a sweep, written here alone: locked as the program locks it, each task on the disk at once."""

    def __init__(self, folder: str, head: str) -> None:
        self.path = os.path.join(folder, "journal.jsonl")
        self.head = head
        #: Numbers of the cells that are done.
        self.done: Set[int] = set()
        self.file: Optional[IO[bytes]] = None

    def __enter__(self) -> "_Journal":
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        self.file = file = open(self.path, "a+b")
        try:
            import fcntl
        except ImportError:
            pass  # Windows has no such lock: the program sees to it when it opens the journal.
        else:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                raise WindtunnelError(f"{self.path} is in use by another process") from None
        try:
            self._read(file)
        except BaseException:
            file.close()
            raise
        return self

    def _read(self, file: IO[bytes]) -> None:
        file.seek(0)
        whole = file.read()
        # What is torn at the end is simulated again.
        lines = whole[: whole.rfind(b"\n") + 1].splitlines()
        file.truncate(sum(len(line) + 1 for line in lines))
        if not lines:
            self.append(self.head + "\n")
            return
        if lines[0].decode() != self.head:
            raise WindtunnelError(f"{self.path}: it is of another sweep, or of another version of windtunnel")
        for number, line in enumerate(lines[1:], 2):
            try:
                self.done.add(json.loads(line)["cell"])
            except (ValueError, KeyError, TypeError):
                raise WindtunnelError(f"{self.path}: line {number} is damaged") from None

    def append(self, lines: str) -> None:
        assert self.file is not None
        self.file.write(lines.encode())
        self.file.flush()
        os.fsync(self.file.fileno())

    def __exit__(self, *_: Any) -> None:
        assert self.file is not None
        self.file.close()

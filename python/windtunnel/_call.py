"""One call of the program: what goes in, what comes out, how it ended."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any, List, NamedTuple, NoReturn, Optional, Sequence, Type, TypeVar

from ._errors import Crash, Interrupted, Problem, ScenarioError, Truncated
from ._program import program
from ._record import Record

if TYPE_CHECKING:
    import subprocess

R = TypeVar("R", bound=Record)

#: How long a program that was asked to stop may take to do so, seconds.
_PATIENCE = 2.0

BAD_INPUT, LIMIT, INTERRUPTED = 2, 4, 130


class Said(NamedTuple):
    """What the program said, and how it ended."""

    code: int
    out: bytes
    err: str


def said(arguments: Sequence[str], text: Optional[bytes] = None, cwd: Optional[str] = None) -> Said:
    """Runs the program with ``text`` as its standard input. Ctrl-C ends it, and is raised when it has ended."""
    import subprocess

    process = subprocess.Popen(
        [program(), *arguments],
        stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
    )
    try:
        out, err = process.communicate(text)
    except BaseException:
        _end(process)
        raise
    return Said(process.returncode, out, err.decode("utf-8", "replace").strip())


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Asks it to stop, then ends it: nothing it might still say is wanted."""
    import subprocess

    try:
        if process.poll() is None and os.name != "nt":
            process.send_signal(signal.SIGINT)
        # Or it waits for somebody to read what it has so far.
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    pass
        if os.name != "nt":
            process.wait(_PATIENCE)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        pass
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def document(kind: Type[R], arguments: Sequence[str], text: Optional[bytes] = None, *, good: Sequence[int] = (0,)) -> R:
    """What the program says, as one JSON object; or the exception that its end stands for."""
    ended = said(arguments, text)
    if ended.code in good:
        return kind(parsed(ended.out))
    if ended.code == LIMIT:
        raise Truncated(_plain(ended.err), kind(parsed(ended.out)) if ended.out.strip() else None)
    wrong(ended)


def wrong(ended: Said) -> NoReturn:
    """Raises what an end other than a good one stands for."""
    if ended.code == BAD_INPUT:
        raise ScenarioError(_problems(ended))
    if ended.code == INTERRUPTED:
        raise Interrupted(_plain(ended.err) or "the program was interrupted")
    if ended.code < 0:
        try:
            name = signal.Signals(-ended.code).name
        except ValueError:
            name = f"signal {-ended.code}"
        raise Crash(f"the program was ended by {name}" + (f": {ended.err}" if ended.err else ""), ended.code)
    raise Crash(ended.err or f"the program ended with exit code {ended.code}", ended.code)


def parsed(text: bytes) -> Any:
    """JSON, its objects as records."""
    return json.loads(text, object_hook=Record)


def problems(text: bytes) -> List[Problem]:
    """A list of problems as the program prints it."""
    return [Problem(found) for found in json.loads(text)]


def _problems(ended: Said) -> List[Problem]:
    """The list that the program prints; what it says besides, in a line of its own, is a problem without a place."""
    found = problems(ended.out) if ended.out.lstrip().startswith(b"[") else []
    if ended.err or not found:
        found.append(Problem(severity="error", code=None, message=_plain(ended.err), help=None))
    return found


def _plain(text: str) -> str:
    return text[len("error: ") :] if text.startswith("error: ") else text

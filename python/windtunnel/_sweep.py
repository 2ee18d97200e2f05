"""A sweep as the program is asked for it: all at once, beforehand, or cell by cell."""

from __future__ import annotations

import os
from typing import Any, List, NamedTuple, Optional, Sequence, Type

from ._call import R, document
from ._record import Record
from ._results import Sweep
from ._scenario import Source


class Call(NamedTuple):
    """A scenario, and what makes cells of it."""

    source: Source
    arguments: List[str]
    #: Where its data is, if that was said; among the arguments too.
    data: Any

    def whole(self, out: str, jobs: Optional[int]) -> Sweep:
        """Simulates what the journal in ``out`` does not hold yet, and writes all files there."""
        options = [f"--out={out}", *([f"--jobs={jobs}"] if jobs is not None else [])]
        return self._document(Sweep, options)

    def cells(self) -> Record:
        """What would be simulated: ``cells``, ``head`` of the journal, ``files`` read, ``seconds`` of one thread."""
        return self._document(Record, ["--dry-run", "--jobs=1"])

    def _document(self, kind: Type[R], options: Sequence[str]) -> R:
        arguments = ["sweep", "--quiet", "--format=json", *self.arguments, *options, self.source.file]
        return document(kind, arguments, self.source.text)


class Bundle(NamedTuple):
    """All that a sweep is made of, to be laid out in a folder elsewhere as it lies here."""

    #: Path in that folder, hash and content of each file.
    files: List["File"]
    #: The working directory in that folder.
    cwd: str
    #: From there: all but which cells.
    arguments: List[str]
    text: Optional[bytes]


class File(NamedTuple):
    path: str
    sha256: str
    content: bytes


def bundle(call: Call, files: Sequence[str]) -> Bundle:
    """Reads the files and keeps where they stand to each other."""
    here = os.getcwd()
    paths = [os.path.abspath(path) for path in files]
    folders = [here, *(os.path.dirname(path) for path in paths)]
    if call.data is not None:
        folders.append(os.path.abspath(os.fspath(call.data)))
    root = os.path.commonpath(folders)
    taken = []
    for path in paths:
        with open(path, "rb") as file:
            content = file.read()
        taken.append(File(os.path.relpath(path, root), sha256(content), content))
    arguments = ["sweep", "--quiet", "--format=json"]
    for argument in call.arguments:
        if argument.startswith("--data="):
            argument = f"--data={os.path.relpath(os.path.abspath(os.fspath(call.data)), here)}"
        arguments.append(argument)
    scenario = call.source.file
    if call.source.text is None:
        scenario = os.path.join(os.curdir, os.path.relpath(os.path.abspath(scenario), here))
    return Bundle(taken, os.path.relpath(here, root), [*arguments, scenario], call.source.text)


def sha256(content: bytes) -> str:
    from hashlib import sha256

    return sha256(content).hexdigest()

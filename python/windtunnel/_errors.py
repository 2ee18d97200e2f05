"""What can go wrong, each thing an exception of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, List, Optional, Sequence

from ._record import Record

if TYPE_CHECKING:
    from ._results import Check

_MOST_SHOWN = 10


class WindtunnelError(Exception):
    """Anything that this package raises by itself."""


class ProgramNotFound(WindtunnelError):
    """The program is not where the package's scripts are, nor where ``WINDTUNNEL`` says."""


class VersionMismatch(WindtunnelError):
    """The program that was found is of another version than the package."""


class Problem(Record):
    """What is wrong with a scenario, or looks wrong.

    ``severity`` (``error`` or ``warning``), ``code`` (``windtunnel explain E-REF`` says more of it), ``message``,
    ``help``, ``path`` of the scenario, and its place: ``file`` (``-`` is a text or a dict), ``line``, ``column``,
    ``end_line``, ``end_column``. Of a dict the place is that in its JSON text, two blanks a level.
    """

    __slots__ = ()

    @property
    def text(self) -> str:
        """What is wrong, in one sentence."""
        return str(self["message"])

    @property
    def line(self) -> Optional[int]:
        """Line, from 1; None where nothing in the file is at fault."""
        return self.get("line")

    @property
    def column(self) -> Optional[int]:
        """Column, from 1."""
        return self.get("column")

    @property
    def help(self) -> Optional[str]:
        """What to do about it."""
        return self.get("help")

    @property
    def code(self) -> Optional[str]:
        """Stable code such as ``E-UNKNOWN-KEY``; None of what is wrong with arguments."""
        return self.get("code")

    def __str__(self) -> str:
        place = [self.get("file"), self.line, self.column]
        at = ":".join(str(part) for part in place if part is not None)
        code = f"[{self.code}]" if self.code else ""
        head = f"{self.get('severity', 'error')}{code}: {self.text}"
        told = f"{at}: {head}" if at else head
        return f"{told}\n  help: {self.help}" if self.help else told


class ScenarioError(WindtunnelError, ValueError):
    """The scenario, or what it was asked for, cannot be run; nothing was simulated."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        #: All that is wrong, in the order of the file.
        self.problems: List[Problem] = list(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        lines = [str(problem) for problem in self.problems[:_MOST_SHOWN]]
        more = len(self.problems) - len(lines)
        return "\n".join(lines + ([f"and {more} more"] if more > 0 else []))


class Truncated(WindtunnelError):
    """A limit of the program stopped it before the end of the simulated time."""

    def __init__(self, text: str, results: Optional[Record]) -> None:
        #: What there is all the same; its ``status`` is ``truncated``.
        self.results = results
        super().__init__(text, results)

    def __str__(self) -> str:
        return str(self.args[0])


class Interrupted(WindtunnelError):
    """Somebody else ended the program before it was done. Ctrl-C is a ``KeyboardInterrupt``, as always."""


class Crash(WindtunnelError):
    """The program broke: a bug in it. The text says how to see that again: replication, seed, command."""

    def __init__(self, text: str, code: int) -> None:
        #: Exit code; minus the number of a signal that ended it.
        self.code = code
        super().__init__(text, code)

    def __str__(self) -> str:
        return str(self.args[0])


class _Judged(WindtunnelError):
    """A check that did not pass."""

    def __init__(self, result: "Check") -> None:
        #: The verdicts.
        self.result = result
        super().__init__(result)

    def __str__(self) -> str:
        told = []
        for row in self.result.rows():
            if row["verdict"] != "pass":
                reason = f" ({row['reason']})" if row["reason"] else ""
                told.append(f"{row['expression']}: {row['verdict']}{reason}")
        return "; ".join(told)


class Failed(_Judged):
    """An objective is not met. ``check(.., raise_=True)`` raises it."""


class Inconclusive(_Judged):
    """No objective fails, and one is not decided. ``check(.., raise_=True)`` raises it."""

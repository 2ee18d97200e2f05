"""``python -m windtunnel``: the program itself."""

import os
import sys

from ._program import program


def main() -> None:
    found = program()
    if os.name == "nt":
        import subprocess

        sys.exit(subprocess.call([found, *sys.argv[1:]]))
    os.execv(found, [found, *sys.argv[1:]])


if __name__ == "__main__":
    main()

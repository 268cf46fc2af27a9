"""Run one of the measurements by name: `make benchmark ARGS="speed TREE ..."`; without arguments, what there is."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    known = sorted(p.stem for p in HERE.glob("*.py") if p.stem != "run")
    if len(sys.argv) < 2 or sys.argv[1] not in known:
        sys.exit('usage: make benchmark ARGS="NAME ARGUMENT ...", NAME is one of: ' + ", ".join(known))
    del sys.argv[0]
    runpy.run_path(str(HERE / f"{sys.argv[0]}.py"), run_name="__main__")


if __name__ == "__main__":
    main()

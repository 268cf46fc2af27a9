"""Builds the zip that is uploaded as a skill: what the agent needs and nothing else, the same bytes every time."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from catalogue import DIMENSIONS
from version import NAME, VERSION

ROOT = Path(__file__).resolve().parents[1]
DEVELOPMENT = frozenset(("scripts/docs.py", "scripts/package.py"))
_MOMENT = (1980, 1, 1, 0, 0, 0)
_LINK = re.compile(r"\[[^\]]*\]\((?!https?:)([^)#\s]+)")
_UPLOAD_LIMIT = 30_000_000  # bytes, of the unpacked skill


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "dist" / f"{NAME}-{VERSION}.zip", help="the zip to write")
    target: Path = parser.parse_args().output
    target.parent.mkdir(parents=True, exist_ok=True)
    build(target)
    problems = list(check(target))
    for problem in problems:
        sys.stderr.write(f"{target.name}: {problem}\n")
    if not problems:
        sys.stdout.write(f"{target}: {target.stat().st_size:,} bytes, {len(list(contents()))} files\n")
    return int(bool(problems))


def contents() -> Iterator[str]:
    """Posix paths of the files that the skill needs, sorted."""
    scripts = (file.relative_to(ROOT).as_posix() for file in (ROOT / "scripts").rglob("*") if _is_source(file))
    pages = ("SKILL.md", "LICENSE", *(dimension.document for dimension in DIMENSIONS))
    yield from sorted({*pages, *scripts} - DEVELOPMENT)


def _is_source(file: Path) -> bool:
    return file.is_file() and not file.is_symlink() and file.suffix != ".pyc" and "__pycache__" not in file.parts


def build(target: Path) -> None:
    """Write the zip: fixed order, times and modes; stored, because compressors differ."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in contents():
            entry = zipfile.ZipInfo(f"{NAME}/{path}", _MOMENT)
            entry.create_system = 3
            entry.external_attr = (0o100755 if path == "scripts/review.py" else 0o100644) << 16
            archive.writestr(entry, (ROOT / path).read_bytes())


def check(target: Path) -> Iterator[str]:
    """What is wrong with a built zip: it is unpacked, its links are followed and its script is run."""
    with tempfile.TemporaryDirectory() as scratch, zipfile.ZipFile(target) as archive:
        archive.extractall(scratch)
        skill = Path(scratch, NAME)
        unpacked = sum(file.stat().st_size for file in skill.rglob("*") if file.is_file())
        if unpacked > _UPLOAD_LIMIT:
            yield f"{unpacked:,} bytes unpacked, more than {_UPLOAD_LIMIT:,}"
        for page in skill.glob("*.md"):
            missing = {link for link in _LINK.findall(page.read_text(encoding="utf-8")) if not (skill / link).exists()}
            yield from (f"{page.name} links {link}, which is not in it" for link in sorted(missing))
        command = [sys.executable, "-I", str(skill / "scripts" / "review.py"), "explain", "ASY001"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or done.stderr:
            yield f"its script does not run: {done.stderr.strip()[-300:]}"


if __name__ == "__main__":
    sys.exit(main())

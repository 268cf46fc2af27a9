"""Where a command may write what it made: outside the reviewed folder, and over nothing but its own earlier output."""

from __future__ import annotations

from pathlib import Path

from target import CommandError

_HEAD = 2_000


def write(text: str, name: str, mark: str, reviewed: str, inside: bool) -> Path:
    """Write `text`, which holds `mark` near its start, into the file `name`; raises CommandError where it must not."""
    file = Path(name)
    target, root = file.resolve(), Path(reviewed).resolve()
    if target.is_relative_to(root) and not inside:
        raise CommandError(
            2,
            f"review.py: {name} lies inside the reviewed folder, where nothing is written unless you ask: "
            f"give a path outside of {root}, or add --allow-inside",
        )
    if target.is_dir() or not target.parent.is_dir():
        what = (
            "is a folder; give the name of a file" if target.is_dir() else f"cannot be made: no folder {target.parent}"
        )
        raise CommandError(2, f"review.py: {name} {what}")
    try:
        if target.exists() and not _is_own(target, mark):
            raise CommandError(
                2, f"review.py: {name} exists and was not written by this command; give another name or remove it"
            )
        target.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise CommandError(2, f"review.py: {name} cannot be written: {error.strerror}") from error
    return target


def _is_own(file: Path, mark: str) -> bool:
    with file.open("rb") as stream:
        head = stream.read(_HEAD)
    return not head or mark.encode() in head

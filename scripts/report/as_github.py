"""Signals as workflow commands of GitHub Actions: annotations on the lines of a pull request."""

from __future__ import annotations

from collections.abc import Iterator

from check import HIGH, IMPACTS, LOW, MEDIUM, Signal, clean
from report.output import Output
from report.wording import count

_COMMANDS = {HIGH: "error", MEDIUM: "warning", LOW: "notice"}


def signals_github(output: Output) -> str:
    """One command a line; nothing else is printed, so that no text of the project can be read as a command."""
    return "\n".join(_lines(output)) + "\n"


def _lines(output: Output) -> Iterator[str]:
    titles = {check.id: check.title for check in output.checks}
    for signal in output.reported:
        yield _command(
            _COMMANDS[signal.impact],
            f"{signal.message}{_via(signal)}. Fix: {signal.fix}",
            file=output.prefix + signal.path,
            line=str(max(signal.line, 1)),
            endLine=str(max(signal.end_line, signal.line, 1)),
            title=f"{signal.check} {titles[signal.check]}",
        )
    for unread in output.project.unread:
        path = output.prefix + clean(unread.path, 400)
        yield _command("warning", f"not read: {clean(unread.why, 300)}", file=path, line=str(unread.line or 1))
    for note in output.outcome.notes:
        yield _command("warning", note)
    by_impact = [f"{sum(s.impact == impact for s in output.reported)} {impact}" for impact in IMPACTS]
    suppressed, compared = output.outcome.suppressed, output.comparison
    yield _command(
        "notice",
        f"{count(len(output.reported), 'new signal' if compared else 'signal')} ({', '.join(by_impact)})"
        + (f"; {compared.summary()}" if compared else "")
        + (f"; {suppressed} suppressed by a comment" if suppressed else ""),
    )


def _via(signal: Signal) -> str:
    if not signal.trace:
        return ""
    hop = signal.trace[0]
    return f" (from {hop.label or hop.symbol}, {hop.path}:{hop.line})"


def _command(command: str, message: str, **properties: str) -> str:
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{command}{' ' if listed else ''}{listed}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

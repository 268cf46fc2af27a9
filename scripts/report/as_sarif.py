"""Signals as SARIF 2.1.0 (OASIS standard with errata 01), as code scanning services read it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from check import HIGH, LOW, MEDIUM, Check, Hidden, NotAssessed, Signal, clean
from project.place import Place, Unread
from report.as_json import configuration_row
from report.output import Output
from version import FINGERPRINT, NAME, VERSION

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
ROOT = "SRCROOT"

_LEVELS = {HIGH: "error", MEDIUM: "warning", LOW: "note"}
_SEVERITIES = {HIGH: "8.0", MEDIUM: "5.5", LOW: "3.0"}  # the scale of code scanning: 7 high, 4 medium, below low
_ADDRESS = re.compile(r"https://[^\s,;)]+")

Row = dict[str, Any]


def signals_sarif(output: Output) -> str:
    """One run: rules, results, what is suppressed with its reason, what was unread or not assessed."""
    return json.dumps(_log(output), indent=1, ensure_ascii=False) + "\n"


def _log(output: Output) -> Row:
    writer = _Writer(output)
    outcome = output.outcome
    run: Row = {
        "tool": {"driver": {"name": NAME, "version": VERSION, "rules": [_rule(check) for check in output.checks]}},
        "invocations": [
            {
                "executionSuccessful": not any(note.failed for note in outcome.not_assessed),
                "toolExecutionNotifications": list(writer.notifications()),
                "toolConfigurationNotifications": [
                    {"level": "warning", "message": _message(note)} for note in outcome.notes
                ],
            }
        ],
        "originalUriBaseIds": {ROOT: {"description": {"text": "The folder that all paths are relative to."}}},
        "columnKind": "unicodeCodePoints",
        "results": list(writer.results()),
        "properties": {
            "root": clean(output.project.name, 200),
            "files": len(output.project.sources),
            "configuration": configuration_row(output.project.settings, outcome.hidden),
        },
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


class _Writer:
    def __init__(self, output: Output) -> None:
        self.output = output
        self.rules = {check.id: index for index, check in enumerate(output.checks)}

    def results(self) -> Iterator[Row]:
        outcome, comparison = self.output.outcome, self.output.comparison
        for signal in outcome.signals:
            yield self._result(signal)
        for hidden in outcome.hidden:
            yield self._result(hidden.signal) | {"suppressions": [_suppression(hidden)]}
        for old in comparison.fixed if comparison else ():
            row = {"ruleId": old.check, "level": "none", "kind": "notApplicable", "message": _message(old.message)}
            place = Place(old.path, old.line, old.line)
            yield row | {
                "locations": [self._location(place)],
                "partialFingerprints": {FINGERPRINT: old.id},
                "baselineState": "absent",
            }

    def _result(self, signal: Signal) -> Row:
        place = Place(signal.path, signal.line, signal.end_line, signal.symbol)
        row: Row = {
            "ruleId": signal.check,
            "ruleIndex": self.rules[signal.check],
            "level": _LEVELS[signal.impact],
            "message": _message(signal.message),
            "locations": [self._location(place, source=signal.source)],
            "partialFingerprints": {FINGERPRINT: signal.id},
            "properties": {"impact": signal.impact, "certainty": signal.certainty},
        }
        if signal.places:
            row["relatedLocations"] = [
                self._location(further, "a further place of the same cause") | {"id": number}
                for number, further in enumerate(dict.fromkeys(signal.places), 1)
            ]
        if signal.trace:
            row["codeFlows"] = [{"threadFlows": [{"locations": self._flow(signal, place)}]}]
        if self.output.comparison:
            new = signal.id in self.output.comparison.new
            row["baselineState"] = "new" if new else "unchanged"
        return row

    def _flow(self, signal: Signal, place: Place) -> list[Row]:
        hops = [self._location(hop, hop.label or hop.symbol) for hop in signal.trace]
        last = signal.trace[-1]
        if (last.path, last.line) != (place.path, place.line):
            hops.append(self._location(place, signal.message))
        return [{"location": hop} for hop in hops]

    def _location(self, place: Place, text: str = "", source: str = "") -> Row:
        region: Row = {"startLine": max(place.line, 1), "endLine": max(place.end_line, place.line, 1)}
        if source:
            region["snippet"] = {"text": source}
        uri = quote(self.output.prefix + place.path, safe="/")
        row: Row = {"physicalLocation": {"artifactLocation": {"uri": uri, "uriBaseId": ROOT}, "region": region}}
        if place.symbol:
            row["logicalLocations"] = [{"fullyQualifiedName": place.symbol}]
        if text:
            row["message"] = _message(text)
        return row

    def notifications(self) -> Iterator[Row]:
        for unread in self.output.project.unread:
            yield self._unread(unread)
        for note in self.output.outcome.not_assessed:
            yield _not_assessed(note)

    def _unread(self, unread: Unread) -> Row:
        place = Place(clean(unread.path, 400), unread.line or 1, unread.line or 1)
        return {
            "level": "warning",
            "message": _message(f"not read: {clean(unread.why, 300)}"),
            "locations": [self._location(place)],
        }


def _rule(check: Check) -> Row:
    text = f"{check.why}\n\nFix: {check.fix}\n\nSource: {check.source}\n\nMore: {check.doc}"
    more = f"`review.py explain {check.id}`, {check.doc}"
    row: Row = {
        "id": check.id,
        "name": "".join(word.capitalize() for word in check.name.split("-")),
        "shortDescription": _message(check.title),
        "fullDescription": _message(check.why),
        "help": {
            "text": _braced(text),
            "markdown": _braced(
                f"{check.why}\n\n**Fix:** {check.fix}\n\n**Source:** {check.source}\n\n**More:** {more}"
            ),
        },
        "defaultConfiguration": {"level": _LEVELS[check.impact]},
        "properties": {"tags": _tags(check)},
    }
    address = _ADDRESS.search(check.source)
    if address:
        row["helpUri"] = address[0].rstrip(".")
    if check.dimension.module == "security":
        row["properties"]["security-severity"] = _SEVERITIES[check.impact]
    return row


def _tags(check: Check) -> list[str]:
    anti_pattern = [f"anti-pattern-{check.anti_pattern}"] if check.anti_pattern else []
    return [check.dimension.module, *anti_pattern]


def _suppression(hidden: Hidden) -> Row:
    kind = "inSource" if hidden.by_comment else "external"
    return {"kind": kind, "status": "accepted", "justification": clean(hidden.reason, 300)}


def _not_assessed(note: NotAssessed) -> Row:
    return {
        "level": "error" if note.failed else "note",
        "message": _message(f"{note.check} not assessed: {note.why}"),
        "associatedRule": {"id": note.check},
    }


def _message(text: str) -> Row:
    """Text that forms neither a placeholder nor an embedded link (3.11.5, 3.11.6)."""
    return {"text": _braced(text).replace("](", "] (")}


def _braced(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")

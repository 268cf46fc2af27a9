"""Signals as text: everything when it fits, fewer places and then fewer checks when it does not, and it says so."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest

from catalogue import CHECKS
from check import IMPACTS, Check, Hidden, NotAssessed, Outcome, Signal
from project import Place
from report.text import signals_text
from report.wording import TEXT_LIMIT


def signals(checks: Iterable[Check], places: int, impacts: Iterable[str] = ("high",)) -> list[Signal]:
    hop = Place("app/api/orders.py", 12, 12, "app.api.orders.create_order", "POST /orders create_order")
    return [
        Signal(
            id=f"{impact}{check.id}{n}",
            check=check.id,
            name=check.name,
            dimension=check.dimension.module,
            impact=impact,
            certainty="resolved",
            path=f"app/services/orders_{n}.py",
            line=n,
            end_line=n,
            symbol="app.services.orders.charge",
            message="blocks in POST /orders create_order",
            source="    response = requests.post(url, json=payload)",
            trace=(hop, hop),
            fix=check.fix,
            doc=check.doc,
            anti_pattern=None,
            places=(),
        )
        for impact in impacts
        for check in checks
        for n in range(1, places + 1)
    ]


def shown(text: str) -> list[str]:
    return re.findall(r"^- (\S+:\d+) ", text, re.MULTILINE)


def test_everything_is_shown_when_it_fits() -> None:
    text = signals_text(Outcome(signals(CHECKS[:2], 3), []), "")
    assert text.startswith("6 signals (6 high, 0 medium, 0 low).")
    assert len(shown(text)) == 6
    assert f"## {CHECKS[0].id} {CHECKS[0].title} ({CHECKS[0].name})\nHigh impact, 3 places, {CHECKS[0].doc}\n" in text
    assert text.count(f"Why: {CHECKS[0].why}\nFix: {CHECKS[0].fix}\n") == 1
    hop = "POST /orders create_order (app/api/orders.py:12)"
    assert f"    | response = requests.post(url, json=payload)\n    via {hop} → {hop}\n" in text
    assert "more place" not in text


def test_no_signals_is_not_called_clean() -> None:
    assert "read on" in signals_text(Outcome([], []), "")


@pytest.mark.parametrize(("checks", "places"), [(1, 900), (20, 50), (len(CHECKS), 1), (len(CHECKS), 200)])
def test_more_is_cut_and_each_check_says_what_it_leaves_out(checks: int, places: int) -> None:
    many = signals(CHECKS[:checks], places, IMPACTS)
    notes = [NotAssessed(f"reason {n}", "TST001") for n in range(200)]
    text = signals_text(Outcome(many, notes, [Hidden(many[0], "why")] * 3), " 'my app'")
    assert len(text) <= TEXT_LIMIT
    assert text.count("## ") + text.count("\n  ") >= checks
    assert places == 1 or f"`review.py signals 'my app' --check {CHECKS[0].id} --limit 0`" in text
    assert "3 signals suppressed by a comment" in text
    assert "… 180 more: --format json" in text


def test_high_impact_gets_more_places_than_low() -> None:
    text = signals_text(Outcome(signals(CHECKS[:4], 100, IMPACTS), []), "")
    high, _, low = (len(shown(part)) for part in re.split(rf"(?=## {CHECKS[0].id} )", text)[1:])
    assert high > low > 0


def test_limit_0_is_everything() -> None:
    text = signals_text(Outcome(signals(CHECKS[:5], 100), []), "", 0)
    assert len(text) > TEXT_LIMIT
    assert len(shown(text)) == 500


def test_pages_follow_each_other() -> None:
    outcome = Outcome(signals(CHECKS[:3], 5), [])
    first, second = signals_text(outcome, " app", 10), signals_text(outcome, " app", 10, 10)
    assert "Signals 1 to 10 of 15; go on with the same options and `--offset 10`." in first
    assert "Signals 11 to 15 of 15: these were the last." in second
    assert len(shown(first) + shown(second)) == 15
    assert "High impact, 5 places" in second
    assert "There are only 15 signals." in signals_text(outcome, "", 10, 40)


def test_page_that_is_too_long_says_where_to_go_on() -> None:
    outcome = Outcome(signals(CHECKS[:1], 500), [])
    text = signals_text(outcome, "", 400)
    assert len(text) <= TEXT_LIMIT
    number = len(shown(text))
    assert f"Signals 1 to {number} of 500; go on with the same options and `--offset {number}`." in text

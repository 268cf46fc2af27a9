"""evals/questions: hard questions for a reader who has one document only, with answers and proofs.

Whether an answer is right is judged by a reader; here stands what a machine can say: the form, that each proof exists,
that the document holds the words that a right answer needs, and that no wrong claim slipped into an answer.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.facts.registry import MARKER, proofs

from catalogue import DIMENSIONS

REPOSITORY = Path(__file__).resolve().parents[1]
FILES = sorted((REPOSITORY / "evals" / "questions").glob("*.json"))
DOCUMENTS = {
    dimension.document.removesuffix(".md").lower(): REPOSITORY / dimension.document for dimension in DIMENSIONS
}
KEYS = {"id", "question", "answer", "must_say", "must_not_say", "proof"}
LEAST = 10

each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def questions(file: Path) -> list[dict[str, Any]]:
    found = json.loads(file.read_text(encoding="utf-8"))
    assert isinstance(found, list)
    return found


def plain(text: str) -> str:
    """Lower case, without fact markers, addresses of links, backticks, emphasis and line ends."""
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", MARKER.sub("", text))
    return re.sub(r"\s+", " ", re.sub(r"[`*]", "", words)).replace(" ,", ",").replace(" .", ".").lower()


def test_there_are_questions() -> None:
    assert FILES
    assert [file.stem for file in FILES if file.stem not in DOCUMENTS] == []


@each_file
def test_form(file: Path) -> None:
    found = questions(file)
    assert len(found) >= LEAST
    assert len({one["id"] for one in found}) == len(found)
    for one in found:
        assert set(one) == KEYS, one.get("id")
        assert all(isinstance(one[key], str) and one[key].strip() for key in ("id", "question", "answer", "proof"))
        assert one["question"].endswith("?"), one["id"]
        assert one["must_say"], one["id"]
        assert one["must_not_say"], one["id"]
        assert all(isinstance(term, str) and term for term in one["must_say"] + one["must_not_say"]), one["id"]


@each_file
def test_the_document_holds_the_words_of_each_answer(file: Path) -> None:
    text = plain(DOCUMENTS[file.stem].read_text(encoding="utf-8"))
    missing = {one["id"]: [term for term in one["must_say"] if plain(term) not in text] for one in questions(file)}
    assert {name: terms for name, terms in missing.items() if terms} == {}


@each_file
def test_answers_say_what_they_must_and_nothing_they_must_not(file: Path) -> None:
    for one in questions(file):
        answer = plain(one["answer"])
        assert [term for term in one["must_say"] if plain(term) not in answer] == [], one["id"]
        assert [term for term in one["must_not_say"] if plain(term) in answer] == [], one["id"]


@each_file
def test_proofs_exist(file: Path) -> None:
    document = DOCUMENTS[file.stem].read_text(encoding="utf-8")
    stated = set(MARKER.findall(document)) & set(proofs())
    for one in questions(file):
        proof = one["proof"]
        if proof.startswith("https://"):
            assert proof in document, one["id"]
        elif "::" in proof:
            path, _, name = proof.partition("::")
            assert f"def {name}(" in (REPOSITORY / path).read_text(encoding="utf-8"), one["id"]
        else:
            assert proof in stated, f"{one['id']}: {proof}"

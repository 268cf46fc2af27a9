"""Every marked statement of the six documents has a proof, and every proof a statement."""

import re

import pytest

from .registry import DOCUMENTS, ROOT, markers, proofs

LEAST = 20


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_statement_has_a_proof(document: str) -> None:
    found = markers((ROOT / document).read_text(encoding="utf-8"))
    proved = proofs()
    assert [f"{document}:{line} {identifier}" for line, identifier, _ in found if identifier not in proved] == []
    assert len({identifier for _, identifier, _ in found}) >= LEAST


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_marker_shows_in_a_code_block(document: str) -> None:
    found = markers((ROOT / document).read_text(encoding="utf-8"))
    assert [f"{document}:{line} {identifier}" for line, identifier, fenced in found if fenced] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_marker_is_misspelled(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    assert len(re.findall(r"<!--\s*facts?\b", text, re.IGNORECASE)) == len(markers(text))


def test_every_proof_has_a_statement() -> None:
    stated = {
        identifier
        for document in DOCUMENTS
        for _, identifier, _ in markers((ROOT / document).read_text(encoding="utf-8"))
    }
    assert {identifier: test for identifier, test in proofs().items() if identifier not in stated} == {}


def test_every_proof_is_a_test() -> None:
    found = proofs()
    assert found
    assert [test for test in found.values() if not test.partition("::")[2].startswith("test_")] == []

"""Registers the mark that ties a proof to its statement."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fact(*ids): the statements of the documents that this test proves")

import json
from pathlib import Path

from fastapi import FastAPI

CONTRACT = Path(__file__).parent / "openapi_contract.json"


def test_openapi_contract(app: FastAPI) -> None:
    """A change of paths, operation ids or documented answers must be deliberate: edit the file with it."""
    contract = {
        f"{method.upper()} {path}": {"id": operation["operationId"], "answers": sorted(operation["responses"])}
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
    }
    assert contract == json.loads(CONTRACT.read_text(encoding="utf-8"))

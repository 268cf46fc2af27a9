"""Proofs of the statements in CODE_ORGANIZATION.md about moving code, and about input converted by hand."""

import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import ForeignKey, select
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from .registry import fact


def run_python(folder: Path, code: str) -> str:
    done = subprocess.run([sys.executable, "-B", "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@fact("org-star-import-shim")
def test_a_star_import_at_the_old_path_hides_names_and_stops_patches(tmp_path: Path) -> None:
    (tmp_path / "new.py").write_text("def price(): return 1\ndef total(): return price()\ndef _round(): return 2\n")
    (tmp_path / "old.py").write_text("from new import *\n")
    assert run_python(tmp_path, "import old; print(hasattr(old, 'total'), hasattr(old, '_round'))") == "True False"
    assert run_python(tmp_path, "import old; old.price = lambda: 9; print(old.total())") == "1"


@fact("org-pickle-names-the-module")
def test_a_pickle_names_the_module_it_was_made_in(tmp_path: Path) -> None:
    (tmp_path / "before.py").write_text("class Job: ...\n")
    run_python(tmp_path, "import pickle, before; open('job', 'wb').write(pickle.dumps(before.Job()))")
    (tmp_path / "before.py").rename(tmp_path / "after.py")
    load = "import pickle\ntry: pickle.load(open('job', 'rb'))\nexcept ModuleNotFoundError as error: print(error.name)"
    assert run_python(tmp_path, load) == "before"
    (tmp_path / "before.py").write_text("from after import *\n")
    assert run_python(tmp_path, "import pickle; print(type(pickle.load(open('job', 'rb'))).__module__)") == "after"


@fact("org-relationship-needs-import")
def test_a_relationship_finds_its_class_by_name_once_the_class_exists() -> None:
    class Base(DeclarativeBase): ...

    class Customer(Base):
        __tablename__ = "customer"
        id: Mapped[int] = mapped_column(primary_key=True)
        orders: Mapped[list["Order"]] = relationship("Order")  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(InvalidRequestError, match="failed to locate a name"):
        Customer()

    class Other(DeclarativeBase): ...

    class Buyer(Other):
        __tablename__ = "buyer"
        id: Mapped[int] = mapped_column(primary_key=True)
        bills: Mapped[list["Bill"]] = relationship("Bill")

    class Bill(Other):
        __tablename__ = "bill"
        id: Mapped[int] = mapped_column(primary_key=True)
        buyer_id: Mapped[int] = mapped_column(ForeignKey("buyer.id"))

    assert Buyer(bills=[Bill()]).bills
    assert "buyer.id" in str(select(Buyer))


@fact("org-conversion-is-500")
def test_a_conversion_in_the_handler_is_a_500_and_a_typed_parameter_a_422() -> None:
    app = FastAPI()

    @app.get("/plain/{item_id}")
    def plain(item_id: str) -> str:
        return UUID(item_id).hex

    @app.get("/typed/{item_id}")
    def typed(item_id: UUID) -> str:
        return item_id.hex

    client = TestClient(app, raise_server_exceptions=False)
    assert client.get("/plain/x").status_code == 500
    assert client.get("/typed/x").status_code == 422

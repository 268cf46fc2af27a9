import subprocess

from workshop.errors import WorkshopError


def print_label(printer: str, order_id: int) -> None:
    label = f"order-{order_id}.pdf"
    print("printing", label)  # ORG013
    finished = subprocess.run(f"lp -d {printer} labels/{label}", shell=True, timeout=10)  # SEC011
    if finished.returncode:
        raise WorkshopError("The printer does not answer")


def printer_state() -> str:
    return subprocess.run(["lpstat", "-r"], capture_output=True, text=True, timeout=10).stdout

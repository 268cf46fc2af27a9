class WorkshopError(Exception):
    """Its message is safe to show."""

    status_code = 409


class NotFound(WorkshopError):
    status_code = 404

"""What can go wrong in the library's own terms; error_handlers.py gives each its status code."""


class LibraryError(Exception):
    """Its message is safe to show to the caller."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotFoundError(LibraryError):
    pass


class ConflictError(LibraryError):
    pass


class ForbiddenError(LibraryError):
    pass


class UnauthenticatedError(LibraryError):
    pass


class TooManyAttemptsError(LibraryError):
    pass


class UpstreamError(LibraryError):
    pass

from fastapi import FastAPI, Request, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from app.errors import (
    ConflictError,
    ForbiddenError,
    LibraryError,
    NotFoundError,
    TooManyAttemptsError,
    UnauthenticatedError,
    UpstreamError,
)

STATUS_CODES: dict[type[LibraryError], int] = {
    NotFoundError: status.HTTP_404_NOT_FOUND,
    ConflictError: status.HTTP_409_CONFLICT,
    ForbiddenError: status.HTTP_403_FORBIDDEN,
    UnauthenticatedError: status.HTTP_401_UNAUTHORIZED,
    TooManyAttemptsError: status.HTTP_429_TOO_MANY_REQUESTS,
    UpstreamError: status.HTTP_502_BAD_GATEWAY,
}


def register_error_handlers(app: FastAPI) -> None:
    @app.exception_handler(LibraryError)
    async def answer_library_error(request: Request, error: LibraryError) -> JSONResponse:
        status_code = STATUS_CODES.get(type(error), status.HTTP_400_BAD_REQUEST)
        headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, UnauthenticatedError) else None
        return JSONResponse({"detail": error.message}, status_code=status_code, headers=headers)

    @app.exception_handler(RequestValidationError)
    async def answer_invalid_request(request: Request, error: RequestValidationError) -> JSONResponse:
        """Like FastAPI's own answer, without echoing the input: it may be a password."""
        detail = [{"type": e["type"], "loc": list(e["loc"]), "msg": e["msg"]} for e in error.errors()]
        return JSONResponse({"detail": detail}, status_code=status.HTTP_422_UNPROCESSABLE_CONTENT)

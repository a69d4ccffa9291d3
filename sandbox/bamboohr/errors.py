"""Answers that are errors: BambooHR says what is wrong in a header, and hardly ever in a body."""

from fastapi import Request, Response


class Refused(Exception):
    """One answer with this status and BambooHR's header for what is wrong."""

    def __init__(self, status: int, message: str, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = {"X-BambooHR-Error-Message": message}
        if retry_after_seconds is not None:
            self.headers["Retry-After"] = str(retry_after_seconds)


def answer_refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return Response(status_code=error.status, headers=error.headers)


def answer_invalid(request: Request, error: Exception) -> Response:
    return answer_refused(request, Refused(400, "Invalid request parameters"))

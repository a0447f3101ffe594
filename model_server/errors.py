"""Failures a client is told about: a canonical status code, its HTTP status and a message."""

import enum
import http


class Code(enum.IntEnum):
    """The canonical status codes, numbered as in gRPC and TensorFlow."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


# Codes that are missing here are the server's own fault and answer 500.
_HTTP_STATUS = {
    Code.OK: http.HTTPStatus.OK,
    Code.CANCELLED: 499,
    Code.INVALID_ARGUMENT: http.HTTPStatus.BAD_REQUEST,
    Code.DEADLINE_EXCEEDED: http.HTTPStatus.GATEWAY_TIMEOUT,
    Code.NOT_FOUND: http.HTTPStatus.NOT_FOUND,
    Code.ALREADY_EXISTS: http.HTTPStatus.CONFLICT,
    Code.PERMISSION_DENIED: http.HTTPStatus.FORBIDDEN,
    Code.RESOURCE_EXHAUSTED: http.HTTPStatus.TOO_MANY_REQUESTS,
    Code.FAILED_PRECONDITION: http.HTTPStatus.BAD_REQUEST,
    Code.ABORTED: http.HTTPStatus.CONFLICT,
    Code.OUT_OF_RANGE: http.HTTPStatus.BAD_REQUEST,
    Code.UNIMPLEMENTED: http.HTTPStatus.NOT_IMPLEMENTED,
    Code.UNAVAILABLE: http.HTTPStatus.SERVICE_UNAVAILABLE,
    Code.UNAUTHENTICATED: http.HTTPStatus.UNAUTHORIZED,
}


class ServingError(Exception):
    """A failure with a status code.

    Args:
      code: what kind of failure.
      message: the text for the client; what it quotes that is not UTF-8 is in surrogate escapes.
    """

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"

    @property
    def http_status(self) -> int:
        """The HTTP status the code stands for."""
        return int(_HTTP_STATUS.get(self.code, http.HTTPStatus.INTERNAL_SERVER_ERROR))


def invalid_argument(message: str) -> ServingError:
    """Returns the error of a request that is wrong in itself."""
    return ServingError(Code.INVALID_ARGUMENT, message)


def not_found(message: str) -> ServingError:
    """Returns the error of a request for something that is not there."""
    return ServingError(Code.NOT_FOUND, message)


def internal_error() -> ServingError:
    """Returns the error for what no client is to be told."""
    return ServingError(Code.INTERNAL, "Internal error; the log of the server says more")

"""What cannot be done, as OpenAI's clients read it: a status and {"error": {...}}."""

from typing import Any

from django.http import JsonResponse


class ApiError(Exception):
    """`code` is for programs, `param` the part of the request that is meant.

    https://platform.openai.com/docs/guides/error-codes
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        *,
        param: str | None = None,
        retry_after: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(retry_after)

    @property
    def type(self) -> str:
        if self.status >= 500:
            return "server_error"
        return "rate_limit_error" if self.status == 429 else "invalid_request_error"

    def body(self) -> dict[str, Any]:
        error = {
            "message": self.message,
            "type": self.type,
            "param": self.param,
            "code": self.code,
        }
        return {"error": error}

    def response(self) -> JsonResponse:
        return JsonResponse(self.body(), status=self.status, headers=self.headers)


def refused(param: str, message: str, code: str | None = None) -> ApiError:
    """A request that is wrong at `param`."""
    return ApiError(400, message, code, param=param)

"""How the API is described in OpenAPI, beyond what drf-spectacular finds by itself."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework.permissions import SAFE_METHODS

from mosaic_site.api.authentication import BearerAuthentication
from mosaic_site.api.pages import Pages
from mosaic_site.api.problems import MEDIA_TYPE, ProblemSerializer
from mosaic_site.members.models import Scope


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = BearerAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A token from your settings. Its scopes say what it may be used for.",
        }


class Described(AutoSchema):
    """Every address may answer with a problem."""

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        bodies = super()._get_response_bodies(direction)
        problem = self._get_response_for_code(  # type: ignore[no-untyped-call]
            ProblemSerializer, "default", [MEDIA_TYPE]
        )
        return bodies | {"default": problem | {"description": "What went wrong, and what to do."}}

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        """`x-scope`: what a token needs; empty where it needs none."""
        operation = super().get_operation(*args, **kwargs)
        if operation is not None:
            operation["x-scope"] = self._scope()
        return operation

    def _scope(self) -> str:
        own = getattr(self.view, "scope", None)
        reads = self.method in SAFE_METHODS and not getattr(self.view, "is_secret", False)
        if reads:
            return str(Scope.READ) if getattr(self.view, "members_only", False) else ""
        return str(own or "")

    def get_operation_id(self) -> str:
        """`get_uploads_id` for GET /api/v1/uploads/{id}/."""
        words = self.path.removeprefix("/api/v1/").strip("/").replace("-", "_").split("/")
        return "_".join([self.method.lower(), *(word.strip("{}") for word in words)])

    def get_summary(self) -> str:
        """The first sentence of the description, where there are more."""
        first, _, rest = " ".join(self.get_description().split()).partition(". ")
        return first if rest else ""


def shared(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """What every operation says alike stands once: its problems, and which page is asked for."""
    responses: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    for methods in result["paths"].values():
        for said in methods.values():
            responses["Problem"] = said["responses"]["default"]
            said["responses"]["default"] = {"$ref": "#/components/responses/Problem"}
            for place, one in enumerate(said.get("parameters", [])):
                if one["name"] in {Pages.page_query_param, Pages.page_size_query_param}:
                    parameters[one["name"]] = one
                    said["parameters"][place] = {"$ref": f"#/components/parameters/{one['name']}"}
    result["components"] |= {"responses": responses, "parameters": parameters}
    return result

"""The OpenAPI 3.1 description of a channel, made from its table of routes and the models."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from tsm_gateway import __version__
from tsm_gateway.daemon.channel1_routes import SERVICE
from tsm_gateway.daemon.channel_models import Problem
from tsm_gateway.daemon.channel_problems import CONTENT_TYPE, RETRIED, STATUSES, public_code
from tsm_gateway.daemon.channel_service import codes_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from http import HTTPStatus

    from pydantic import BaseModel

    from tsm_gateway.daemon.channel_service import Route, Service

_REF = "#/components/schemas/{model}"
_JSON = "application/json"


def describe(service: Service = SERVICE) -> dict[str, Any]:
    """The description of one channel as plain values."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"TSM gateway: provisioning, channel {service.number}",
            "version": __version__,
            "description": service.about,
        },
        "servers": [{"url": "/"}],
        "security": [{service.peer: []}],
        "paths": _paths(service),
        "components": {
            "schemas": _schemas(service),
            "securitySchemes": {service.peer: {"type": "mutualTLS", "description": service.certificate}},
        },
    }


def openapi_text(service: Service = SERVICE) -> str:
    """The description of one channel as JSON for people."""
    return json.dumps(describe(service), indent=2)


def _paths(service: Service) -> dict[str, dict[str, Any]]:
    paths: dict[str, dict[str, Any]] = {}
    for route in service.routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return paths


def _operation(route: Route) -> dict[str, Any]:
    answered = {"type": "object"} if route.answered is None else _ref(route.answered)
    done = {"description": "done", "headers": _NO_STORE, "content": {_JSON: {"schema": answered}}}
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "responses": {"200": done, **_problems(route)},
    }
    if route.asked is not None:
        operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": _ref(route.asked)}}}
    return operation


_NO_STORE = {"Cache-Control": {"schema": {"const": "no-store"}, "required": True}}
_RETRY_AFTER = {
    "Retry-After": {"schema": {"type": "integer", "minimum": 1}, "description": "seconds", "required": True}
}


def _problems(route: Route) -> dict[str, Any]:
    """Every status but 200, each with its codes."""
    by_status: dict[HTTPStatus, list[str]] = {}
    for code in codes_of(route):
        by_status.setdefault(STATUSES[code], []).append(public_code(code))
    return {str(status.value): _problem(status, codes) for status, codes in sorted(by_status.items())}


def _problem(status: HTTPStatus, codes: list[str]) -> dict[str, Any]:
    schema = {"allOf": [_ref(Problem), {"properties": {"code": {"enum": codes}}}]}
    headers: Mapping[str, Any] = {**_NO_STORE, **(_RETRY_AFTER if status in RETRIED else {})}
    return {"description": status.phrase, "headers": headers, "content": {CONTENT_TYPE: {"schema": schema}}}


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}


def _schemas(service: Service) -> dict[str, Any]:
    asked = [(route.asked, "validation") for route in service.routes if route.asked]
    answered = [(route.answered, "serialization") for route in service.routes if route.answered]
    models: Any = [*asked, *answered, (Problem, "serialization")]
    _, schemas = models_json_schema(models, ref_template=_REF)
    definitions: dict[str, Any] = schemas["$defs"]
    return definitions

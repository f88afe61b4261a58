"""
The OpenAPI document, made of the lexicons.

Source: https://spec.openapis.org/oas/v3.1.0
"""

from collections.abc import Mapping
from typing import Any, Final

from strandline.forum.xrpc.documents import ALIASES, DOCUMENTS
from strandline.lexicon.document import FORMATS

__all__ = ["openapi"]

Json = dict[str, Any]

_ERRORS: Final = (400, 401, 404, 405, 406, 413, 429, 500, 501, 503)
_ERROR: Final[Json] = {
    "type": "object",
    "properties": {"error": {"type": "string"}, "message": {"type": "string"}, "details": {"type": "object"}},
    "required": ["error", "message"],
}
_OPEN_API_FORMATS: Final = {"datetime": "date-time", "uri": "uri"}
_LIMITS: Final = {"minimum": "minimum", "maximum": "maximum", "default": "default", "maxLength": "maxLength"}


def openapi(version: str) -> Json:
    """Return the OpenAPI document of all questions and writes; `version` is the server's."""
    paths = {f"/xrpc/{nsid}": _path(nsid, it["defs"]["main"]) for nsid, it in DOCUMENTS.items() if "main" in it["defs"]}
    for alias, nsid in ALIASES.items():
        paths[f"/xrpc/{alias}"] = _path(alias, DOCUMENTS[nsid]["defs"]["main"])
    schemas = {
        _name(nsid, name): _schema(definition, nsid)
        for nsid, document in DOCUMENTS.items()
        for name, definition in document["defs"].items()
        if name != "main"
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "strandline", "version": version},
        "paths": paths,
        "components": {"schemas": {"error": _ERROR, **schemas}},
    }


def _path(nsid: str, main: Mapping[str, Any]) -> Json:
    told: Json = {"operationId": nsid, "summary": main["description"], "responses": _responses(nsid, main)}
    if main["type"] == "procedure":
        body = {"content": {"application/json": {"schema": {"type": "object"}}}}
        return {"post": {**told, "requestBody": body}}
    params = main["parameters"]
    required = params.get("required", ())
    return {
        "get": {
            **told,
            "parameters": [_parameter(name, it, name in required) for name, it in params["properties"].items()],
        }
    }


def _parameter(name: str, shape: Mapping[str, Any], required: bool) -> Json:
    return {"name": name, "in": "query", "required": required, "schema": _schema(shape, "", closed=True)}


def _responses(nsid: str, main: Mapping[str, Any]) -> Json:
    error = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/error"}}}}
    told: Json = {str(status): {"description": "An error.", **error} for status in _ERRORS}
    if "output" in main:
        schema = _schema(main["output"]["schema"], ALIASES.get(nsid, nsid))
        told["200"] = {"description": "The answer.", "content": {"application/json": {"schema": schema}}}
    return told


def _name(nsid: str, name: str) -> str:
    return f"{nsid}.{name}"


def _schema(definition: Mapping[str, Any], home: str, *, closed: bool = False) -> Json:
    """Return the JSON schema of a definition; `closed` takes known values for all there are."""
    kind = definition["type"]
    if kind == "ref":
        return _reference(definition["ref"], home)
    if kind == "union":
        return {"anyOf": [_reference(ref, home) for ref in definition["refs"]]}
    if kind == "unknown":
        return {}
    told: Json = {"type": kind, **{other: definition[name] for name, other in _LIMITS.items() if name in definition}}
    if kind == "array":
        lengths = {"maxItems": definition.get("maxLength"), "minItems": definition.get("minLength")}
        items = {"type": "array", "items": _schema(definition["items"], home, closed=closed)}
        return {**items, **{name: value for name, value in lengths.items() if value is not None}}
    if kind == "object":
        told["properties"] = {name: _schema(it, home) for name, it in definition["properties"].items()}
        return {**told, "required": definition["required"]} if "required" in definition else told
    if closed and "knownValues" in definition:
        told["enum"] = definition["knownValues"]
    if definition.get("format") in FORMATS:
        told["format"] = _OPEN_API_FORMATS.get(definition["format"], definition["format"])
    return told


def _reference(ref: str, home: str) -> Json:
    nsid, _, name = ref.partition("#")
    return {"$ref": f"#/components/schemas/{_name(nsid or home, name)}"}

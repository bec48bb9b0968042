"""What the HTTP services of a world take, as OpenAPI: from their vendors' documents, or from our tables of methods."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import googleapiclient
import notion_node

from terrarium.capability.slack.api.app import METHODS

Description = dict[str, Any]
_TEXT = {"type": "string"}
_ODD = ("", "0", "-1", "1e400", "9" * 30, "a" * 300, "\x00", "é", "[", "[]", "{}", "..", "*", "<a>", "bytes=0-1", "Ā")


def _either(*known: str) -> dict[str, Any]:
    """Mostly what is known; a schema that allowed any text besides would hardly ever be it."""
    return {"type": "string", "enum": list(dict.fromkeys([*known, *_ODD]))}


def notion(known: Sequence[str]) -> Description:
    """The description that comes with Notion's MCP server; ids are mostly `known` ones."""
    path = "node_modules/@notionhq/notion-mcp-server/scripts/notion-openapi.json"
    told: Description = json.loads((notion_node.clients() / path).read_text())
    for methods in told["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                if parameter.get("in") == "path":
                    parameter["schema"] = {"type": "string", "enum": [*known, "title", "x"]}
    told["components"]["schemas"] = _ids(told["components"]["schemas"], known)
    return told


def _ids(told: Any, known: Sequence[str]) -> Any:
    """Schemas in which what must be a UUID is a known one."""
    if isinstance(told, dict):
        if told.get("format") == "uuid":
            return {"type": "string", "enum": list(known)}
        return {key: _ids(inner, known) for key, inner in told.items()}
    return [_ids(inner, known) for inner in told] if isinstance(told, list) else told


def google(name: str, only: Sequence[str], known: Sequence[str]) -> Description:
    """A discovery document of Google's, such as `sheets.v4`: its resources called `only`, with `known` ids."""
    folder = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
    told = json.loads((folder / f"{name}.json").read_text())
    paths: dict[str, Any] = {}
    for resource in only:
        _add_methods(paths, told["servicePath"], told["resources"][resource], known)
    schemas = {key: _shape(shape) for key, shape in told["schemas"].items()}
    return _described(paths, schemas)


def _add_methods(paths: dict[str, Any], prefix: str, resource: Mapping[str, Any], known: Sequence[str]) -> None:
    for method in resource.get("methods", {}).values():
        path = "/" + prefix + method.get("flatPath", method["path"])
        operation = paths.setdefault(path, {}).setdefault(method["httpMethod"].lower(), _operation())
        for key, told in method.get("parameters", {}).items():
            schema = _shape(told)
            if told["location"] == "path" and key.endswith("Id"):
                schema = {"type": "string", "enum": [*known, "0", "x"]}
            schema = {"type": "array", "items": schema} if told.get("repeated") else schema
            place = {"name": key, "in": told["location"], "required": told["location"] == "path", "schema": schema}
            operation["parameters"].append(place)
        if "request" in method:
            operation["requestBody"] = _body(_shape(method["request"]))
    for inner in resource.get("resources", {}).values():
        _add_methods(paths, prefix, inner, known)


def _shape(told: Any) -> Any:
    """A schema of a discovery document as JSON Schema has it."""
    if not isinstance(told, Mapping):
        return told
    if "$ref" in told:
        return {"$ref": f"#/components/schemas/{told['$ref']}"}
    found: dict[str, Any] = {}
    if told.get("type") not in (None, "any"):
        found["type"] = told["type"]
    if "enum" in told:
        found["enum"] = told["enum"]
    if "items" in told:
        found |= {"items": _shape(told["items"]), "maxItems": 3}
    if "properties" in told:
        found["properties"] = {key: _shape(inner) for key, inner in told["properties"].items()}
    if isinstance(told.get("additionalProperties"), Mapping):
        found["additionalProperties"] = _shape(told["additionalProperties"])
    return found


def slack(known: Sequence[str]) -> Description:
    """Every method of the Web API, with arguments that it may know, and an incoming webhook."""
    value = {"anyOf": [_either(*known), {"type": "integer"}, {"type": "object"}]}
    names = "channel channels cursor email file files latest limit name oldest post_at query team text thread_ts "
    names += "timestamp title topic ts types user users blocks attachments metadata purpose count page"
    form = {"type": "object", "properties": dict.fromkeys(names.split(), value), "maxProperties": 6}
    paths: dict[str, Any] = {}
    for method in sorted(METHODS):
        operation = _operation()
        operation["requestBody"] = _body(form, "application/json", "application/x-www-form-urlencoded")
        paths[f"/api/{method}"] = {"post": operation}
    return _described(paths, {})


def s3(known: Sequence[str]) -> Description:
    """Buckets and objects, with the parameters of Amazon's S3 that mean something else."""
    switches = (
        "uploads uploadId partNumber list-type delete acl tagging versions location policy max-keys marker prefix "
    )
    switches += "delimiter continuation-token start-after encoding-type response-content-type X-Amz-Signature"
    asked = [{"name": name, "in": "query", "schema": _either("1", "2", "url", *known)} for name in switches.split()]
    told = [
        {"name": name, "in": "header", "schema": _either("bytes=1-2", "reports/a")}
        for name in ("Range", "If-Match", "x-amz-copy-source", "x-amz-meta-a", "Content-MD5", "x-amz-acl", "Expires")
    ]
    bucket = {"name": "bucket", "in": "path", "required": True, "schema": _either(*known, "new-bucket", "B")}
    key = {"name": "key", "in": "path", "required": True, "schema": _either("a", "b/c")}
    paths: dict[str, Any] = {}
    for path, places in (("/{bucket}", [bucket]), ("/{bucket}/{key}", [bucket, key])):
        for method in ("get", "head", "put", "post", "delete"):
            operation = _operation(*places, *asked, *told)
            if method in ("put", "post"):
                operation["requestBody"] = {"content": {"application/octet-stream": {"schema": _TEXT}}}
            paths.setdefault(path, {})[method] = operation
    return _described(paths, {})


def web(known: Sequence[str]) -> Description:
    """Pages of a site."""
    page = {"name": "page", "in": "path", "required": True, "schema": _either(*known)}
    names = ("Range", "If-None-Match", "If-Modified-Since", "If-Range", "Accept-Encoding", "Authorization", "Cookie")
    told = [{"name": name, "in": "header", "schema": _either("bytes=-5", 'W/"x"')} for name in names]
    asked = {"name": "q", "in": "query", "schema": _either()}
    methods = ("get", "head", "post", "put", "delete", "patch", "options")
    return _described({"/{page}": {method: _operation(page, asked, *told) for method in methods}}, {})


def mcp(known: Sequence[str]) -> Description:
    """JSON-RPC as MCP has it."""
    methods = "initialize ping tools/list tools/call resources/list prompts/get completion/complete logging/setLevel "
    methods += "notifications/initialized notifications/cancelled subscriptions/listen x"
    message = {
        "type": "object",
        "properties": {
            "jsonrpc": {"enum": ["2.0", "1.0"]},
            "id": {"anyOf": [{"type": "integer"}, _either()]},
            "method": {"enum": methods.split()},
            "params": {
                "type": "object",
                "properties": {
                    "name": {"enum": list(known)},
                    "arguments": {"type": "object"},
                    "protocolVersion": {"enum": ["2025-06-18", "2025-11-25", "x"]},
                    "capabilities": {"type": "object"},
                    "clientInfo": {"type": "object", "properties": {"name": _TEXT, "version": _TEXT}},
                },
            },
        },
        "required": ["jsonrpc", "method"],
    }
    told = [
        {"name": name, "in": "header", "schema": _either("2025-06-18", "text/event-stream")}
        for name in ("Mcp-Session-Id", "MCP-Protocol-Version", "Last-Event-ID", "Origin")
    ]
    version = {"type": "string", "enum": ["2025-06-18", "2025-06-18", "2025-03-26", "x"]}
    asked = _operation({"name": "MCP-Protocol-Version", "in": "header", "schema": version})
    asked["requestBody"] = _body(message)
    return _described({"/mcp": {"post": asked, "delete": _operation(*told)}}, {})


def _operation(*parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "parameters": [copy.deepcopy(dict(one)) for one in parameters],
        "responses": {"default": {"description": ""}},
    }


def _body(schema: Any, *kinds: str) -> dict[str, Any]:
    return {"content": {kind: {"schema": schema} for kind in kinds or ("application/json",)}}


def _described(paths: dict[str, Any], schemas: dict[str, Any]) -> Description:
    return {
        "openapi": "3.1.0",
        "info": {"title": "a service", "version": "1"},
        "paths": paths,
        "components": {"schemas": schemas},
    }

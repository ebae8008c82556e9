"""``python -m tests.compare_openapi PATH``: what A1111's own OpenAPI file has and our server has not.

Compared are routes, their query parameters, and every field of bodies and answers with type and default, followed through
references. What we do otherwise on purpose stands in CHOSEN with its reason, and is printed apart.
"""
from __future__ import annotations

import fnmatch
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

METHODS = ("get", "post", "put", "delete")
_OTHER_MACHINE = "the default names a folder of the machine that wrote the file"
_NO_STRING = "it is a number; A1111's file calls whatever has no default a string"
# Pattern of a place -> why we differ there.
CHOSEN = {
    "GET /sdapi/v1/options answer *_explanation": "a text of A1111's settings page, no setting",
    "GET /sdapi/v1/options answer settings_in_ui": "a text of A1111's settings page, no setting",
    "GET /sdapi/v1/options answer outdir_* default": _OTHER_MACHINE,
    "GET /sdapi/v1/cmd-flags answer * default": _OTHER_MACHINE,
    "GET /sdapi/v1/cmd-flags answer styles_file default": "ours says which file is read when the flag is not given",
    "GET /sdapi/v1/cmd-flags answer sub_quad_* type": _NO_STRING,
    "GET /sdapi/v1/cmd-flags answer port type": _NO_STRING,
    "GET /sdapi/v1/cmd-flags answer disable_tls_verify type": "it is true, false or null; A1111's file calls whatever has no default a string",
}
_FOLDERS_OF_THAT_MACHINE = ("DATA", "A1111")   # they begin so in the stored file


@dataclass(frozen=True, kw_only=True)
class Difference:
    """place: "POST /sdapi/v1/txt2img body steps default". reason: why we chose it, "" when we did not."""

    place: str
    ours: str
    theirs: str
    reason: str = ""

    def __str__(self) -> str:
        words = f"{self.place}: ours {self.ours}, A1111's {self.theirs}"
        return f"{words} ({self.reason})" if self.reason else words


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[Difference]:
    """Everything that ``theirs`` has and ``ours`` lacks or has otherwise. Both are whole OpenAPI documents."""
    return [_judged(each) for each in _differing_routes(ours, theirs)]


def our_openapi() -> dict[str, Any]:
    """The document of a server with every route open, made in a folder of its own."""
    from fastapi import FastAPI

    from modules.application.build import build_app
    from modules.rest_api.build import add_api
    from modules.schema.flags import parse_flags

    with tempfile.TemporaryDirectory() as folder:
        app = build_app(parse_flags(["--data-dir", folder, "--api", "--api-server-stop"], {}).flags)
        try:
            server = FastAPI(title="Stable Diffusion web UI")
            add_api(server, app, full=True)
            return server.openapi()
        finally:
            app.close()


def main(arguments: list[str]) -> int:
    """Print missing things, then chosen ones. 0 when nothing is missing."""
    if len(arguments) != 1:
        sys.stdout.write("usage: python -m tests.compare_openapi OPENAPI.json\n")
        return 2
    theirs = json.loads(Path(arguments[0]).read_text("utf-8"))
    found = differences(our_openapi(), theirs)
    missing = [each for each in found if not each.reason]
    for each in [*missing, *(each for each in found if each.reason)]:
        sys.stdout.write(("chosen:  " if each.reason else "missing: ") + f"{each}\n")
    routes = sum(method in METHODS for operations in theirs["paths"].values() for method in operations)
    sys.stdout.write(f"{routes} routes compared: {len(missing)} things missing, {len(found) - len(missing)} otherwise on purpose\n")
    return 1 if missing else 0


def _differing_routes(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[Difference]:
    for path, operations in theirs["paths"].items():
        for method, operation in operations.items():
            if method not in METHODS:
                continue
            place, mine = f"{method.upper()} {path}", ours["paths"].get(path, {}).get(method)
            if mine is None:
                yield Difference(place=place, ours="no route", theirs="a route")
                continue
            yield from _differing_queries(place, mine, operation)
            for part, find in (("body", _body), ("answer", _answer)):
                yield from _differing(f"{place} {part}", _plain(find(mine), ours), _plain(find(operation), theirs), (ours, theirs))


def _differing_queries(place: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[Difference]:
    mine = {each["name"]: each.get("schema", {}) for each in ours.get("parameters", ())}
    for each in theirs.get("parameters", ()):
        schema = mine.get(each["name"])
        if schema is None:
            yield Difference(place=f"{place} query {each['name']}", ours="nothing", theirs="a parameter")
        elif schema.get("default") != each["schema"].get("default"):
            yield Difference(place=f"{place} query {each['name']} default", ours=repr(schema.get("default")), theirs=repr(each["schema"].get("default")))


def _differing(place: str, ours: Mapping[str, Any], theirs: Mapping[str, Any], documents: tuple[Any, Any]) -> Iterator[Difference]:
    """Two schemas, references resolved at their top; a schema of A1111's that says nothing is matched by any."""
    kind = theirs.get("type")
    if kind is None:
        return
    if not _same_type(ours.get("type"), kind):
        yield Difference(place=f"{place} type", ours=str(ours.get("type", "unknown")), theirs=kind)
        return
    for name, field in theirs.get("properties", {}).items():
        mine = ours.get("properties", {}).get(name)
        if mine is None:
            yield Difference(place=f"{place} {name}", ours="nothing", theirs=f"a field ({field.get('type', 'any')})")
            continue
        if "default" in field and not _same_default(mine.get("default"), field["default"]):
            yield Difference(place=f"{place} {name} default", ours=repr(mine.get("default")), theirs=repr(field["default"]))
        yield from _differing(f"{place} {name}", _plain(mine, documents[0]), _plain(field, documents[1]), documents)
    for part in ("items", "additionalProperties"):
        if isinstance(theirs.get(part), Mapping):
            mine = ours.get(part)
            yield from _differing(f"{place} {part}", _plain(mine if isinstance(mine, Mapping) else {}, documents[0]), _plain(theirs[part], documents[1]), documents)


def _same_type(ours: str | None, theirs: str) -> bool:
    return ours == theirs or (theirs == "integer" and ours == "number")     # 0 is the default of a share in A1111


def _same_default(ours: Any, theirs: Any) -> bool:
    return ours == theirs or (theirs in ({}, []) and ours is None)


def _body(operation: Mapping[str, Any]) -> Mapping[str, Any]:
    return operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})


def _answer(operation: Mapping[str, Any]) -> Mapping[str, Any]:
    return operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})


def _plain(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema behind references, without the "or null" that ours have for what may be left out."""
    if "$ref" in schema:
        return _plain(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    for key in ("anyOf", "allOf", "oneOf"):
        if key in schema:
            others = [each for each in schema[key] if each.get("type") != "null"]
            if len(others) == 1:
                return _plain(others[0], document)
    return schema


def _judged(each: Difference) -> Difference:
    for pattern, reason in CHOSEN.items():
        if fnmatch.fnmatchcase(each.place, pattern):
            if reason is _OTHER_MACHINE and not any(mark in each.theirs for mark in _FOLDERS_OF_THAT_MACHINE):
                continue
            return Difference(place=each.place, ours=each.ours, theirs=each.theirs, reason=reason)
    return each


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

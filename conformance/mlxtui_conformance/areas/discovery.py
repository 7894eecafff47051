"""Checks on what a client learns before its first chat: models, health, paths that do not exist, origins."""

from __future__ import annotations

from openai import NotFoundError

from ..check import Fail, Level, Unsupported, check
from ..context import Context
from ..shapes import accepted, dig, offered, refused, require, show, whole

NOWHERE = "/conformance-no-such-path"
NOBODY = "conformance-no-such-model"


@check("models.list", Level.MUST, "OpenAPI: ListModelsResponse {object: list, data}")
def listing(ctx: Context) -> None:
    """GET /models answers {object: list, data} with at least one model."""
    reply = offered(ctx.get("/models"), "GET /models").json()
    require(dig(reply, "object") == "list", 'object "list"', dig(reply, "object"))
    require(len(dig(reply, "data")) > 0, "at least one model", reply)


@check("models.fields", Level.MUST, "OpenAPI: Model requires id, object, created, owned_by; SDK strict")
def fields(ctx: Context) -> None:
    """Every listed model has id, object "model", an integer created and owned_by."""
    for model in dig(offered(ctx.get("/models"), "GET /models").json(), "data"):
        require(isinstance(dig(model, "id"), str), "a string id", model)
        require(dig(model, "object") == "model", 'object "model"', model)
        require(whole(dig(model, "created")), "an integer created, in seconds", model)
        require(isinstance(dig(model, "owned_by"), str), "a string owned_by", model)
    ctx.client.models.list()


@check("models.retrieve", Level.MUST, "SDK: models.retrieve(id) sends the id with / escaped")
def retrieve(ctx: Context) -> None:
    """GET /models/{id} gives the model under test, also for an id that holds a slash."""
    try:
        model = ctx.client.models.retrieve(ctx.target.model)
    except NotFoundError as error:
        # Without a model in the list there is no saying whether the endpoint is meant to be there.
        listed = offered(ctx.get("/models"), "GET /models").json()
        ids = [dig(entry, "id") for entry in dig(listed, "data")]
        if ctx.target.model in ids:
            raise Fail("the model that GET /models lists", f"404: {error.message}") from error
        raise Unsupported("GET /models/{id} for a name that is not listed") from error
    require(model.id == ctx.target.model, f"the model {ctx.target.model}", model.id)


@check("models.unknown", Level.MUST, "OpenAI practice: 404; SDK raises NotFoundError")
def unknown(ctx: Context) -> None:
    """GET /models/{nonsense} is a 404 in JSON, not an empty answer."""
    refused(ctx.get(f"/models/{NOBODY}"), (404,), "a model that does not exist")


@check("models.unknown-code", Level.SHOULD, "OpenAI practice: error.code model_not_found")
def unknown_code(ctx: Context) -> None:
    """The 404 for an unknown model carries the code model_not_found."""
    reply = refused(ctx.get(f"/models/{NOBODY}"), (404,), "a model that does not exist")
    code = dig(reply.json(), "error", "code")
    require(code == "model_not_found", "error.code model_not_found", code)


@check("discovery.health", Level.SHOULD, "llama.cpp and vLLM practice; load balancers probe it")
def health(ctx: Context) -> None:
    """GET /health beside the API root answers 200 without a key."""
    reply = ctx.keyless("GET", f"{ctx.target.root}/health")
    if reply.status in (404, 405):
        raise Unsupported("GET /health")
    accepted(reply, "GET /health")


@check("discovery.unknown-path", Level.MUST, "practice: a client must tell a typo from an answer")
def unknown_path(ctx: Context) -> None:
    """An unknown path is a 404 in JSON, for GET and POST; never HTML, never 200."""
    refused(ctx.get(NOWHERE), (404,), "GET on an unknown path")
    refused(ctx.post(NOWHERE, {}), (404,), "POST on an unknown path")


@check("discovery.wrong-method", Level.SHOULD, "RFC 9110 §15.5.6; error shape of the OpenAPI")
def wrong_method(ctx: Context) -> None:
    """A method the path does not have is a 405 in JSON."""
    refused(ctx.post("/models", {}), (405,), "POST /models")


@check("discovery.trailing-slash", Level.SHOULD, "SDK: base_url is used with and without a slash")
def trailing_slash(ctx: Context) -> None:
    """A slash at the end of a path changes nothing."""
    slashed = ctx.send("GET", "/models/", follow_redirects=True)
    accepted(slashed, "GET /models/")
    require(dig(slashed.json(), "object") == "list", "the model list", slashed.brief)


@check("discovery.cors", Level.SHOULD, "Fetch standard: CORS preflight; llama.cpp tests")
def cors(ctx: Context) -> None:
    """A preflight that grants the origin also grants POST with a key and a JSON body."""
    reply = ctx.send("OPTIONS", "/chat/completions", headers=PREFLIGHT)
    origin = reply.headers.get("access-control-allow-origin")
    if origin is None:
        raise Unsupported("no cross-origin access for http://localhost:3000")
    require(200 <= reply.status < 300, "2xx for the preflight", reply.brief)
    granted = reply.headers.get("access-control-allow-methods", "")
    require("*" in granted or "POST" in granted.upper(), "POST among the methods", show(granted))
    names = reply.headers.get("access-control-allow-headers", "").lower()
    # The standard exempts Authorization from the wildcard, so `*` alone does not let a key pass.
    require("authorization" in names, "authorization among the headers", show(names))
    require("content-type" in names or "*" in names, "content-type among the headers", show(names))


PREFLIGHT = {
    "origin": "http://localhost:3000",
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type",
}


CHECKS = (
    listing,
    fields,
    retrieve,
    unknown,
    unknown_code,
    health,
    unknown_path,
    wrong_method,
    trailing_slash,
    cors,
)

"""The page and its endpoints under /demo."""

import pathlib
from collections.abc import Callable

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from model_server.demo.store import Store
from model_server.errors import ServingError
from model_server.models.manager import ModelManager

# What is shown of a search.
_SHOWN = 20
# Of one request; the longest a page asks for is two lists of `_SHOWN`.
_MOST_IDS = 200
_STATIC = pathlib.Path(__file__).with_name("static")
_CONTEXT = {"user_id", "history"}
_STAGES = {"retrieve": _CONTEXT, "rank": _CONTEXT | {"candidate_id"}, "serving_default": _CONTEXT}
_HEADERS = {
    b"cache-control": b"no-cache",
    b"content-security-policy": (
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
}


def demo_routes(store: Store, manager: ModelManager) -> list[BaseRoute]:
    """Returns the routes of the page at /demo/, and of its questions at /demo/api/.

    All answers are JSON objects; items and users are objects too, of the fields of their classes in `store`.
      * `models` -> models: names of those that have both stages as signatures
      * `users?prefix=` -> users: the first that begin so
      * `random_user` -> id: of one user, or null
      * `user?id=` -> id, known, history (latest first), targets; empty lists for an unknown user
      * `items?query=` -> items: found by words of the title, or by the id
      * `titles?id=&id=` -> items: of those ids, in that order

    Args:
      store: the users and items.
      manager: the models that are served.
    """

    def models(_: Request) -> Response:
        return JSONResponse({"models": [name for name in sorted(manager.names()) if _has_stages(manager, name)]})

    def users(request: Request) -> Response:
        found = store.users(request.query_params.get("prefix", ""), _SHOWN)
        return JSONResponse({"users": [user._asdict() for user in found]})

    def random_user(_: Request) -> Response:
        return JSONResponse({"id": store.random_user()})

    def user(request: Request) -> Response:
        user_id = request.query_params.get("id", "")
        found = store.user(user_id)
        lists = {"history": found.history, "targets": found.targets} if found else {"history": [], "targets": []}
        as_objects = {name: [item._asdict() for item in items] for name, items in lists.items()}
        return JSONResponse({"id": user_id, "known": found is not None, **as_objects})

    def items(request: Request) -> Response:
        found = store.items(request.query_params.get("query", ""), _SHOWN)
        return JSONResponse({"items": [item._asdict() for item in found]})

    def titles(request: Request) -> Response:
        ids = request.query_params.getlist("id")
        if len(ids) > _MOST_IDS:
            return JSONResponse({"error": f"`id` must be given at most {_MOST_IDS} times. Received: {len(ids)}."}, 400)
        return JSONResponse({"items": [item._asdict() for item in store.titled(ids)]})

    endpoints: list[Callable[[Request], Response]] = [models, users, random_user, user, items, titles]
    routes = [Route(f"/api/{endpoint.__name__}", endpoint) for endpoint in endpoints]
    page = Route("/", lambda _: FileResponse(_STATIC / "index.html"))
    return [
        # The page's own addresses are relative to a folder, so that it also works below a proxy's path.
        Route("/demo", lambda _: RedirectResponse("demo/")),
        Mount("/demo", routes=[page, *routes, Mount("/", StaticFiles(directory=_STATIC))], middleware=[_MIDDLEWARE]),
    ]


class _Headers:
    """Lets the browser load nothing from elsewhere, and run no script but the page's own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS.items()]
            await send(message)

        await self._app(scope, receive, with_headers)


_MIDDLEWARE = Middleware(_Headers)


def _has_stages(manager: ModelManager, name: str) -> bool:
    try:
        with manager.use(name) as servable:
            signatures = servable.signatures
            return all(stage in signatures and set(signatures[stage].inputs) == _STAGES[stage] for stage in _STAGES)
    except ServingError:
        return False

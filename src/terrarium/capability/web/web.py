"""Web sites for a world: folders, single pages, answers and applications at host names that the task invents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from terrarium.capability.web.settings import claimed, settings_of
from terrarium.capability.web.shelf import INDEX, METHODS, Shelf, bytes_of, headers_of, host_of, path_of
from terrarium.core.capability import Equipment, Site, Traits, instance_tool, reads, writes
from terrarium.core.diff import RowChange
from terrarium.core.errors import ConfigError, NotFound, Refused, Unsupported, unknown_key
from terrarium.core.network import Caller
from terrarium.core.registry import find
from terrarium.core.rows import Row
from terrarium.core.tool import Tool
from terrarium.core.values import Value
from terrarium.http.host import WebHost

if TYPE_CHECKING:
    from terrarium.http.server import Application


class Web:
    """Web sites: each is a host of the world that answers over http and https, for every client.

    Configuration:
        sites (table, default {}): By host: a folder beside the task, or a table of `folder`, `files` (path to text or
            bytes), `app` (`module:name`, an ASGI application beside the task), `wsgi` (True: it is a WSGI one),
            `stateless` (True: it keeps nothing between requests), `listing` (True: folders without index.html show what
            is in them) and `packages` (True: the distributions in `folder` are a package index at `/simple/`).

    Shapes:
        visit: `host`, `time` (datetime), `agent` (who asked), `method`, `path` (with its query), `status`, `bytes` (of
            the body that was sent).
    """

    traits: ClassVar[Traits] = Traits()

    def __init__(self) -> None:
        self._folder = Path()
        self._load: Callable[[str], Any] = lambda target: find("capability", target)
        self._open: dict[str, WebHost] = {}

    def beside(self, folder: Path, load: Callable[[str], Any]) -> None:
        """Where folders are looked for, and what imports applications."""
        self._folder, self._load = folder, load

    def claims(self, config: Mapping[str, Value]) -> Traits:
        """With an application that does not say that it keeps nothing, a world cannot be saved or compared."""
        sites = config.get("sites")
        told = list(sites.values()) if isinstance(sites, Mapping) else []
        return claimed([site for site in told if isinstance(site, Mapping)])

    async def open(self, site: Site) -> None:
        """Begin, or continue with what the site's folder holds.

        Raises:
            ConfigError: An unknown key, a host that cannot be one, a folder or application that is not there.
            CapabilityFault: The state cannot be read.
        """
        sites = site.config.get("sites", {})
        for key in site.config:
            if key != "sites":
                raise unknown_key(site.name, key, ("sites",))
        if not isinstance(sites, Mapping):
            raise ConfigError(f"{site.name}: sites must be a table by host, not {str(sites)[:80]!r}")
        fresh = not site.folder.exists() or not any(site.folder.iterdir())
        self._site, self._shelf = site, Shelf(site)
        try:
            if fresh:
                for host, told in sites.items():
                    self._make(host_of(host), settings_of(str(host), told, self._folder))
            for host in self._shelf.hosts():
                await self._serve(host)
        except (Refused, NotFound) as error:
            raise ConfigError(f"{site.name}: {error}") from error
        self._reclaim()

    def tools(self, agent: str) -> Sequence[Tool]:
        """A web client."""

        async def web_fetch(
            url: str, method: str = "GET", body: str = "", headers: dict[str, str] | None = None, raw: bool = False
        ) -> dict[str, Value]:
            """Ask for a web address, and read the answer as text; redirects are followed.

            HTML comes as text with its links, headings, lists and form fields. There is no other internet than this:
            an address that nobody answers at is not there.

            Args:
                url: Such as `https://shop.example/cart?id=7`.
                method: GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS.
                body: What to send, with a `Content-Type` among the headers, such as `application/json`.
                headers: Further headers by name.
                raw: The answer as it came, without turning HTML into text.

            Returns:
                `status`, `url` (after redirects), `headers`, `text` and `truncated`: whether there was more.
            """
            from terrarium.capability.web.fetch import fetch

            work = fetch(self._site.network, Caller(agent), url, method, body, headers or {}, raw)
            found: dict[str, Value] = await self._site.running(work)
            return found

        return [Tool.of(web_fetch, instance_tool(self._site.name, "fetch"))]

    def rows(self) -> Iterator[Row]:
        """The state.

        Tables:
            page: The host and path: a page, its content (over 64 KiB its sha256) and what is sent with it.
            site: The host: its settings, and whether it is down.
            visit: `host/number`: a request, the last 10,000 of each site.
        """
        return self._shelf.store.all()

    def deeds(self, changes: Sequence[RowChange]) -> list[RowChange]:
        """The changes without visits."""
        return [change for change in changes if change.table != "visit"]

    async def save(self, to: Path) -> None:
        """Copy the state into the folder `to`.

        Raises:
            Unsupported: There is an application, and it does not say that it keeps nothing.
        """
        if not self.traits.snapshots:
            raise Unsupported(f"{self._site.name} has an application that may keep something: say `stateless` if not")
        self._shelf.store.save(to)

    async def close(self) -> None:
        """Serve nobody any more and close the file; idempotent."""
        serving, self._open = self._open, {}
        for host in serving.values():
            await host.close()
        if hasattr(self, "_shelf"):
            self._shelf.store.close()

    def equipment(self, agent: str) -> Equipment:
        """Where pip and uv find packages: in the first package index of the configuration."""
        sites = self._site.config.get("sites", {})
        told = sites if isinstance(sites, Mapping) else {}
        for host, settings in told.items():
            if isinstance(settings, Mapping) and settings.get("packages"):
                url = f"https://{host_of(host)}{INDEX}"
                return Equipment(dict.fromkeys(("PIP_INDEX_URL", "UV_DEFAULT_INDEX"), url))
        return Equipment()

    @property
    @reads
    def connection_info(self) -> dict[str, Value]:
        """The sites: `hosts`, and `urls` by host."""
        hosts = self._shelf.hosts()
        return {"hosts": hosts, "urls": {host: f"https://{host}/" for host in hosts}}

    # -- sites ----------------------------------------------------------------------------------------------------

    @writes(silent=True)
    def site(
        self,
        host: str,
        folder: str | None = None,
        files: dict[str, str | bytes] | None = None,
        app: str | None = None,
        wsgi: bool = False,
        stateless: bool = False,
        listing: bool = False,
        packages: bool = False,
    ) -> str:
        """Make a site, or give one that is there other settings and more pages; its address is returned.

        Args:
            host: Its name, such as `shop.example`.
            folder: Whose files become its pages, beside the task or absolute; as they are now.
            files: Further pages: path to text or bytes.
            app: `module:name` of an application beside the task, which then answers everything.
            wsgi: It is a WSGI application, not an ASGI one.
            stateless: The application keeps nothing between requests.
            listing: Folders without index.html show what is in them.
            packages: The distributions in `folder` become a package index at `/simple/`.

        Raises:
            Refused: The host, a path or the folder cannot be one, or somebody else serves the host.
            ConfigError: The application cannot be imported.
        """
        told = {"folder": folder, "files": files, "app": app, "wsgi": wsgi, "stateless": stateless}
        told |= {"listing": listing, "packages": packages}
        name = host_of(host)
        self._make(name, settings_of(name, told, self._folder))
        self._site.block(self._again(name))
        return f"https://{name}/"

    @writes(silent=True)
    def put(self, host: str, path: str, content: str | bytes, type: str | None = None) -> str:
        """Put a page, where there may be one already; its address is returned.

        Args:
            host: The site; it is made where there is none.
            path: Such as `/news/today.html`; `/news/` shows `/news/index.html`.
            content: Text, or bytes.
            type: The media type; default: by the ending of the path.

        Raises:
            Refused: The host, path or content cannot be one.
        """
        name, at, data = self._made(host), path_of(path), bytes_of(content)
        told = {} if type is None else {"type": headers_of({"content-type": type})["content-type"]}
        self._shelf.put(name, at, data, **told)
        return f"https://{name}{at}"

    @writes(silent=True)
    def respond(
        self,
        host: str,
        path: str,
        content: str | bytes = "",
        status: int = 200,
        headers: dict[str, str] | None = None,
        method: str | None = None,
    ) -> None:
        """Say what is answered to requests for a path.

        Args:
            host: The site; it is made where there is none.
            path: With a query (`/search?q=ants`) it is for that query only, and goes before the one without.
            content: The body.
            status: 200 to 599.
            headers: Such as `{"content-type": "application/json", "retry-after": "5"}`.
            method: Such as `POST`; default: every method, with status 200 only GET and HEAD.

        Raises:
            Refused: One of them cannot be.
        """
        if type(status) is not int or not 200 <= status <= 599:
            raise Refused(f"a status is a number from 200 to 599, not {status!r}")
        if method is not None and method not in METHODS:
            raise Refused(f"{method!r} is none of {', '.join(METHODS)}")
        name, at, data, told = self._made(host), path_of(path), bytes_of(content), headers_of(headers)
        kind = told.pop("content-type", None)
        usual = {} if kind is None else {"type": kind}
        self._shelf.put(name, at, data, status=status, headers=told, method=method, **usual)

    @writes(silent=True)
    def redirect(self, host: str, path: str, to: str, status: int = 302) -> None:
        """Send whoever asks for a path elsewhere.

        Args:
            host: The site; it is made where there is none.
            path: Where they ask.
            to: An address, or a path of the same site.
            status: 301, 302, 303, 307 or 308.

        Raises:
            Refused: One of them cannot be.
        """
        if status not in (301, 302, 303, 307, 308):
            raise Refused(f"a redirect has the status 301, 302, 303, 307 or 308, not {status!r}")
        told = headers_of({"location": to})
        self._shelf.put(self._made(host), path_of(path), b"", status=status, headers=told)

    @writes(silent=True)
    def remove(self, host: str, path: str | None = None) -> None:
        """Remove a page, or without a path the whole site; its name stays, and nobody answers there.

        Raises:
            NotFound: There is none.
        """
        name = host_of(host)
        self._shelf.site(name)
        if path is not None:
            self._shelf.remove(name, path_of(path))
            return
        self._shelf.drop(name)
        self._site.block(self._again(name))

    @writes(silent=True)
    def down(self, host: str) -> None:
        """From now on connections to a site are refused.

        Raises:
            NotFound: There is none.
        """
        self._switch(host, True)

    @writes(silent=True)
    def up(self, host: str) -> None:
        """From now on a site answers again.

        Raises:
            NotFound: There is none.
        """
        self._switch(host, False)

    @reads
    def pages(self, host: str) -> list[str]:
        """The paths of a site's pages, sorted.

        Raises:
            NotFound: There is no such site.
        """
        name = host_of(host)
        self._shelf.site(name)
        return list(self._shelf.paths(name))

    @reads
    def read(self, host: str, path: str) -> bytes:
        """The content of a page; nobody is seen to have read it.

        Raises:
            NotFound: There is none.
        """
        name = host_of(host)
        found = self._shelf.page(name, path_of(path))
        if found is None:
            raise NotFound(f"there is nothing at {name}{path}")
        return self._shelf.content(found)

    @reads
    def log(self, host: str | None = None) -> list[dict[str, Value]]:
        """Who asked for what: the last 10,000 requests of a site, or of each, the oldest first.

        Raises:
            NotFound: There is no such site.
        """
        name = None if host is None else host_of(host)
        if name is not None:
            self._shelf.site(name)
        return self._shelf.visits(name)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _make(self, host: str, settings: dict[str, Any]) -> None:
        pages = settings.pop("pages")
        if settings["app"] is not None and not callable(self._load(settings["app"])):
            raise Refused(f"{settings['app']} is not an application: it cannot be called")
        self._shelf.make(host, **settings)
        for path, content in sorted(pages.items()):
            self._shelf.put(host, path, content)

    def _made(self, host: object) -> str:
        name = host_of(host)
        if name not in self._shelf.hosts():
            self._shelf.make(name)
            self._site.block(self._again(name))
        return name

    def _switch(self, host: str, down: bool) -> None:
        name = host_of(host)
        self._shelf.site(name)
        self._shelf.make(name, down=down)
        self._site.block(self._again(name))

    async def _again(self, host: str) -> None:
        """Serve a site as it is now, or no longer."""
        before = self._open.pop(host, None)
        if before is not None:
            await before.close()
        if host in self._shelf.hosts():
            await self._serve(host)
        self._reclaim()

    async def _serve(self, host: str) -> None:
        settings = self._shelf.site(host)
        if settings["down"]:
            return
        app = None if settings["app"] is None else self._load(settings["app"])
        made = WebHost(self._site, [host], self._front(host, app, settings["wsgi"]))
        self._open[host] = made
        await made.open()

    def _front(self, host: str, app: Any, wsgi: bool) -> Application:
        """What answers at a host; it is loaded with the first connection."""
        made: list[Application] = []

        async def front(*asked: Any) -> None:
            if not made:
                from terrarium.capability.web.app import SiteApp

                made.append(SiteApp(self._site, self._shelf, host, app, wsgi))
            await made[0](*asked)

        return front

    def _reclaim(self) -> None:
        sites = [self._shelf.site(host) for host in self._shelf.hosts()]
        self.traits = claimed(sites)  # type: ignore[misc]

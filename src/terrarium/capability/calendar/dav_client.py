"""A client of somebody else's CalDAV server: the handful of methods that a shelf needs. Blocking."""

from __future__ import annotations

import base64
import http.client
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urljoin, urlsplit
from xml.sax.saxutils import escape

from terrarium.capability.webdav.xml import CALDAV, ICAL, BrokenXml, c, read
from terrarium.core.errors import CapabilityFault, ConfigError, NotFound, Refused, nearest
from terrarium.core.values import Value

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

TIMEOUT = 30.0  # seconds for one answer
LARGEST = 64 * 1024 * 1024  # bytes of one

_DECLARED = f'xmlns:D="DAV:" xmlns:C="{CALDAV}" xmlns:I="{ICAL}"'
_BATCH = 50  # objects fetched at once
_KEYS = ("url", "user", "password_env", "logins")
_LOGIN_KEYS = ("user", "password_env")
_REDIRECTS = 5


@dataclass(frozen=True)
class Login:
    """How to get at the calendars of one person."""

    url: str
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Collection:
    """A calendar on the server."""

    href: str
    name: str
    description: str | None
    color: str | None
    components: list[str]

    @property
    def slug(self) -> str:
        """The last part of its path."""
        return last_of(self.href)


class DavClient:
    """The calendars of one login.

    Args:
        login: Where, and whose.
    """

    def __init__(self, login: Login) -> None:
        self._login = login
        self._home: str | None = None
        self._connection: http.client.HTTPConnection | None = None

    def close(self) -> None:
        """Hang up; idempotent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # -- calendars ------------------------------------------------------------------------------------------------

    @property
    def home(self) -> str:
        """The path under which the calendars are."""
        if self._home is None:
            start = urlsplit(self._login.url).path or "/"
            principal = self._pointed(start, "{DAV:}current-user-principal", "D:current-user-principal") or start
            self._home = self._pointed(principal, c("calendar-home-set"), "C:calendar-home-set") or start
        return self._home

    def calendars(self) -> list[Collection]:
        """All calendars, in order of their paths."""
        asked = "<D:resourcetype/><D:displayname/><C:calendar-description/><I:calendar-color/>"
        asked += "<C:supported-calendar-component-set/>"
        found = []
        for href, props in self._propfind(self.home, "1", asked).items():
            kind = props.get("{DAV:}resourcetype")
            if kind is None or kind.find(c("calendar")) is None:
                continue
            components = props.get(c("supported-calendar-component-set"))
            named = [part.get("name", "") for part in components] if components is not None else []
            found.append(
                Collection(
                    href,
                    _text(props, "{DAV:}displayname") or last_of(href),
                    _text(props, c("calendar-description")),
                    _text(props, f"{{{ICAL}}}calendar-color"),
                    named or ["VEVENT"],
                )
            )
        return sorted(found, key=lambda each: each.href)

    def make(self, slug: str, name: str, settings: Mapping[str, Value]) -> None:
        """Make a calendar."""
        body = (
            f"<C:mkcalendar {_DECLARED}><D:set><D:prop>{_props(name=name, **settings)}</D:prop></D:set></C:mkcalendar>"
        )
        self._ask("MKCALENDAR", f"{self.home.rstrip('/')}/{quote(slug)}/", body)

    def alter(self, href: str, settings: Mapping[str, Value]) -> None:
        """Set properties of a calendar."""
        body = f"<D:propertyupdate {_DECLARED}><D:set><D:prop>{_props(**settings)}</D:prop></D:set></D:propertyupdate>"
        self._ask("PROPPATCH", href, body)

    # -- objects --------------------------------------------------------------------------------------------------

    def etags(self, href: str) -> dict[str, str]:
        """The entity tag of every object of a calendar, by name."""
        found = self._propfind(href, "1", "<D:getetag/><D:resourcetype/>")
        return {
            last_of(path): _text(props, "{DAV:}getetag") or ""
            for path, props in found.items()
            if not path.endswith("/") and path.rstrip("/") != href.rstrip("/")
        }

    def texts(self, href: str, names: list[str]) -> dict[str, tuple[str, str]]:
        """The entity tag and text of these objects, by name; those that are gone are left out."""
        found: dict[str, tuple[str, str]] = {}
        for start in range(0, len(names), _BATCH):
            hrefs = "".join(f"<D:href>{escape(href + quote(name))}</D:href>" for name in names[start : start + _BATCH])
            body = f"<C:calendar-multiget {_DECLARED}><D:prop><D:getetag/><C:calendar-data/></D:prop>{hrefs}"
            for path, props in self._multistatus("REPORT", href, f"{body}</C:calendar-multiget>", "1").items():
                text = _text(props, c("calendar-data"))
                if text is not None:
                    found[last_of(path)] = _text(props, "{DAV:}getetag") or "", text
        return found

    def put(self, href: str, name: str, text: str, etag: str | None) -> None:
        """Store an object: a new one, or in place of that with the entity tag."""
        told = {"If-None-Match": "*"} if etag is None else {"If-Match": etag} if etag else {}
        self._ask("PUT", href + quote(name), text, {"Content-Type": "text/calendar; charset=utf-8", **told})

    def delete(self, href: str) -> None:
        """Remove an object or a calendar."""
        self._ask("DELETE", href)

    # -- HTTP -----------------------------------------------------------------------------------------------------

    def _pointed(self, path: str, name: str, asked: str) -> str | None:
        for props in self._propfind(path, "0", f"<{asked}/>").values():
            href = props[name].findtext("{DAV:}href") if name in props else None
            if href:
                return urlsplit(urljoin(self._login.url, href.strip())).path
        return None

    def _propfind(self, path: str, depth: str, asked: str) -> dict[str, dict[str, Element]]:
        body = f"<D:propfind {_DECLARED}><D:prop>{asked}</D:prop></D:propfind>"
        return self._multistatus("PROPFIND", path, body, depth)

    def _multistatus(self, method: str, path: str, body: str, depth: str) -> dict[str, dict[str, Element]]:
        """Path to what was found there, by name."""
        answer = self._ask(method, path, body, {"Depth": depth})
        try:
            root = read(answer)
        except BrokenXml as error:
            raise CapabilityFault(f"{self._where}: the answer to {method} {path}: {error}") from None
        found: dict[str, dict[str, Element]] = {}
        for response in root.findall("{DAV:}response"):
            props: dict[str, Element] = {}
            for stat in response.findall("{DAV:}propstat"):
                prop = stat.find("{DAV:}prop")
                if " 200 " in f"{stat.findtext('{DAV:}status')} " and prop is not None:
                    props |= {element.tag: element for element in prop}
            href = (response.findtext("{DAV:}href") or "").strip()
            found[urlsplit(urljoin(self._login.url, href)).path] = props
        return found

    def _ask(self, method: str, path: str, body: str = "", headers: Mapping[str, str] | None = None) -> bytes:
        """One request; the body of its answer.

        Raises:
            NotFound: There is nothing of that name.
            Refused: The server does not do it.
            CapabilityFault: It cannot be reached, does not let us in, or fails.
        """
        login = base64.b64encode(f"{self._login.user}:{self._login.password}".encode()).decode()
        told = {"Content-Type": "application/xml; charset=utf-8", **(headers or {}), "Authorization": f"Basic {login}"}
        status, where, answer = self._once(method, path, body.encode(), told)
        for _ in range(_REDIRECTS):
            if status not in (301, 302, 307, 308) or not where:
                break
            path = urlsplit(urljoin(self._login.url, where)).path  # never to another host: it would get the password
            status, where, answer = self._once(method, path, body.encode(), told)
        if status < 300:
            return answer
        said = answer[:300].decode("utf-8", "replace")
        if status == 404:
            raise NotFound(f"the calendar server has nothing at {path}")
        if status in (401, 407) or status >= 500 or status < 400:
            raise CapabilityFault(f"{self._where}: {method} {path} gives {status}: {said}", code=str(status))
        raise Refused(f"the calendar server says {status} to {method} {path}: {said}", code=str(status))

    def _once(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, bytes]:
        for last in (False, True):
            fresh = self._connection is None
            try:
                if self._connection is None:
                    self._connection = self._connected()
                self._connection.request(method, path, body or None, dict(headers))
                answer = self._connection.getresponse()
                content = answer.read(LARGEST + 1)
                if len(content) > LARGEST:
                    raise CapabilityFault(f"{self._where}: an answer of over {LARGEST} bytes")
                return answer.status, answer.getheader("location") or "", content
            except (http.client.HTTPException, OSError) as error:
                self.close()
                if last or fresh:  # an old connection may have been closed meanwhile
                    raise CapabilityFault(f"{self._where}: {type(error).__name__}: {error}") from None
        raise AssertionError("unreachable")

    def _connected(self) -> http.client.HTTPConnection:
        parts = urlsplit(self._login.url)
        assert parts.hostname is not None
        if parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=TIMEOUT, context=context)
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT)

    @property
    def _where(self) -> str:
        parts = urlsplit(self._login.url)
        return f"CalDAV of {self._login.user} at {parts.hostname}:{parts.port or parts.scheme}"


def logins_of(given: object, username: str) -> dict[str, Login]:
    """The setting `backend`: the logins by id of the person; passwords are read from the environment.

    Raises:
        ConfigError: A key or value cannot be that, or a variable is not set.
    """
    if not isinstance(given, Mapping):
        raise ConfigError('backend must be a table, such as {url = "https://host/", user = "…", password_env = "…"}')
    url = given.get("url")
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        parts = None if parts is not None and parts.port == 0 else parts
    except ValueError:  # the port, or brackets
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ConfigError("backend.url must be the http or https address of a server, without a login in it")
    _known("key of backend", given, _KEYS)
    named = given.get("logins", {})
    if not isinstance(named, Mapping) or not all(isinstance(table, Mapping) for table in named.values()):
        raise ConfigError("backend.logins must be a table: a person's id to user and password_env")
    logins: dict[str, Login] = {}
    for person, table in named.items():
        _known(f"key of the login {person!r}", table, _LOGIN_KEYS)
        logins[str(person)] = _login(str(person), str(url), table)
    if "user" in given or "password_env" in given:
        logins[username] = _login(username, str(url), given)
    if not logins:
        raise ConfigError("backend needs user and password_env, or logins")
    return logins


def last_of(path: str) -> str:
    """The last part of a path, as it is meant."""
    return unquote(path.rstrip("/").rpartition("/")[2])


def _login(person: str, url: str, table: Mapping[str, Value]) -> Login:
    user, variable = table.get("user", person), table.get("password_env")
    if not isinstance(user, str) or not isinstance(variable, str) or not variable:
        raise ConfigError(f"the login of {person} needs password_env, the name of the variable with its password")
    password = os.environ.get(variable)
    if not password:
        raise ConfigError(f"the variable {variable}, the password of {person}, is not set")
    return Login(url, user, password)


def _known(what: str, given: Mapping[str, Value], there: tuple[str, ...]) -> None:
    for key in given:
        if key not in there:
            raise ConfigError(
                f"there is no {what} called {key!r}{nearest(str(key), there)}; there are: {', '.join(there)}"
            )


def _props(name: Value = None, description: Value = None, color: Value = None, **others: Value) -> str:
    refused = sorted(key for key, value in others.items() if value is not None)
    if refused:
        raise Refused(f"{', '.join(refused)} of a calendar cannot be set on a server that is not ours")
    told = (("D:displayname", name), ("C:calendar-description", description), ("I:calendar-color", color))
    return "".join(f"<{tag}>{escape(str(value))}</{tag}>" for tag, value in told if value is not None)


def _text(props: Mapping[str, Element], name: str) -> str | None:
    return props[name].text if name in props else None

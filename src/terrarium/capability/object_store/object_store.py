"""An object store for a world: buckets of objects, for S3's clients at their usual address."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from terrarium.capability.object_store.keys import Keys
from terrarium.capability.object_store.shelf import Shelf
from terrarium.capability.object_store.tools import ObjectTools
from terrarium.core.capability import Equipment, Site, Traits, instance_host, reads, writes
from terrarium.core.diff import RowChange
from terrarium.core.errors import ConfigError, Refused, unknown_key
from terrarium.core.rows import Fields, Row
from terrarium.core.seeds import child_seed
from terrarium.core.tool import Tool
from terrarium.core.values import Value
from terrarium.http.host import WebHost
from terrarium.http.limits import HttpLimits

if TYPE_CHECKING:
    from terrarium.capability.object_store.s3 import S3

_KEYS = ("access", "buckets", "host", "storage")
_HOSTS = ("s3.us-east-1.amazonaws.com", "s3.amazonaws.com")
_INSTANCES = "s3.world"  # below Amazon's own name, the name of an instance would be that of a bucket
_STAMPS = frozenset({"modified", "by"})  # of an object, whatever is stored
_BODY = 64 * 1024 * 1024


class ObjectStore:
    """Buckets of objects, as Amazon S3 has them, without versions.

    Configuration:
        buckets (list or table, default []): Names of the buckets that are there in the beginning; or by name a table of
            agents and what each may do there, such as `{"reports": {"agent": "read"}}`.
        access (text, default "write"): What an agent may do with a bucket that does not say: `none`, `read`, `write`.
            Whoever made a bucket may write it.
        host (text, default that of Amazon): The name it is served at, in place of `s3.amazonaws.com` and
            `s3.us-east-1.amazonaws.com`, or of an instance `<instance>.s3.world`; also with the name of a bucket before
            it.
        storage (size, default "512m"): What all objects may take together when agents add some.

    Shapes:
        object: `key`, `size` (bytes), `type` (media type), `etag`, `modified` (datetime), `metadata` (table), and `by`,
            who stored it.
    """

    traits: ClassVar[Traits] = Traits()

    async def open(self, site: Site) -> None:
        """Begin, or continue with what the site's folder holds.

        Raises:
            ConfigError: An unknown key or a bad value.
            CapabilityFault: The state cannot be read.
        """
        for key in site.config:
            if key not in _KEYS:
                raise unknown_key(site.name, str(key), _KEYS)
        host = site.config.get("host")
        if host is not None and not isinstance(host, str):
            raise ConfigError(f"{site.name}: host must be the name of a host, not {host!r:.80}")
        self._site = site
        own = instance_host(site.name, _INSTANCES)
        self._names = (host,) if host else _HOSTS if own == _INSTANCES else (own,)
        self._keys = Keys(child_seed(site.rng.seed, site.name), site.agents)
        fresh = not site.folder.exists()
        self._store = site.rows()
        self._shelf = Shelf(site, self._store)
        self._app: S3 | None = None
        self._hosts: dict[str, WebHost] = {}
        if fresh:
            try:
                for name, access in _buckets(site).items():
                    self._shelf.make_bucket(name, access)
            except (Refused, LookupError) as error:
                raise ConfigError(f"{site.name}: buckets: {error}") from error
        await self._name_hosts()

    def tools(self, agent: str) -> Sequence[Tool]:
        """List, read, write, copy and delete."""
        return ObjectTools(self._shelf).tools(self._site.name)

    def equipment(self, agent: str) -> Equipment:
        """The access key of an agent and the address, as S3's clients look for them.

        An address that is told, even the usual one, is asked by path by Amazon's library for Python and its command
        line, and for all regions: so a bucket that is not there can be made, or found missing, without a host of its
        own.
        """
        key = self._keys.of(agent)
        return Equipment(
            {
                "AWS_ACCESS_KEY_ID": key.id,
                "AWS_SECRET_ACCESS_KEY": key.secret,
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_REGION": "us-east-1",
                # With it clients put the bucket into the path: as a host, one that is yet to be made has no name.
                "AWS_ENDPOINT_URL_S3": f"https://{self._names[-1]}",
            }
        )

    def rows(self) -> Iterator[Row]:
        """The state.

        Tables:
            bucket: Its name: who made it when, and what each agent may do with it.
            object: `bucket/key`: an object; its content is text where that is short, else the digest of a blob.
            part: `upload/number`: a part of an upload that is not complete.
            upload: Its id: an upload in parts that is not complete.
        """
        return self._store.all()

    def deeds(self, changes: Sequence[RowChange]) -> list[RowChange]:
        """The changes without objects that were stored again as they were."""
        return [change for change in changes if not (change.kind == "changed" and _STAMPS.issuperset(change.fields))]

    async def save(self, to: Path) -> None:
        """Copy the state into the folder `to`."""
        self._store.save(to)

    async def close(self) -> None:
        """Withdraw the names and close the file; idempotent."""
        for host in getattr(self, "_hosts", {}).values():
            await host.close()
        if hasattr(self, "_store"):
            self._store.close()

    # -- buckets --------------------------------------------------------------------------------------------------

    @writes(silent=True)
    def create_bucket(self, name: str, access: dict[str, str] | None = None, public: bool = False) -> str:
        """Make a bucket; gives its name.

        Args:
            name: 3 to 63 of a-z, 0-9, '-' and '.'.
            access: What agents may do with it, `{"agent": "read"}`.
            public: Whether everybody may read it, also without an access key.

        Raises:
            Refused: The name cannot be one, or is taken.
            NotFound: There is no such agent.
        """
        self._shelf.make_bucket(name, access, public)
        self._site.block(self._name_hosts())
        return name

    @reads
    def list_buckets(self) -> list[str]:
        """The names of the buckets, sorted."""
        return [row.key for row in self._store.table("bucket")]

    @writes(silent=True)
    def delete_bucket(self, name: str) -> None:
        """Remove an empty bucket.

        Raises:
            NotFound: There is none.
            Refused: It is not empty.
        """
        self._shelf.remove_bucket(name)
        self._site.block(self._name_hosts())

    @writes(silent=True)
    def allow(self, bucket: str, agent: str, access: str) -> None:
        """Say what an agent may do with a bucket: `none`, `read` or `write`.

        Raises:
            NotFound: There is no such bucket or agent.
            Refused: There is no such access.
        """
        self._shelf.allow(bucket, agent, access)

    # -- objects --------------------------------------------------------------------------------------------------

    @writes(silent=True)
    def put_object(
        self,
        bucket: str,
        key: str,
        content: bytes | str,
        content_type: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> dict[str, Value]:
        """Store an object in place of what was there; gives it. Nobody is told.

        Args:
            bucket: Where.
            key: Such as `reports/2030/q1.csv`; at most 1024 bytes.
            content: Bytes, or text, which is stored as UTF-8.
            content_type: Its media type; default: `text/plain` for text.
            metadata: What else is kept with it.

        Raises:
            NotFound: There is no such bucket.
            Refused: The key cannot be one, or an argument is of a wrong type.
        """
        if not isinstance(content, (bytes, str)):
            raise Refused(f"content is bytes or text, not {type(content).__name__}")
        data = content if isinstance(content, bytes) else content.encode()
        kind = content_type or ("binary/octet-stream" if isinstance(content, bytes) else "text/plain")
        kept = {str(name).lower(): str(text) for name, text in sorted((metadata or {}).items())}
        return _shown(key, self._shelf.put(bucket, key, data, type=kind, metadata=kept))

    @reads
    def get_object(self, bucket: str, key: str) -> bytes:
        """The content of an object.

        Raises:
            NotFound: There is no such bucket or object.
        """
        return self._shelf.content(self._shelf.find(bucket, key))

    @reads
    def head_object(self, bucket: str, key: str) -> dict[str, Value]:
        """An object without its content.

        Raises:
            NotFound: There is no such bucket or object.
        """
        return _shown(key, self._shelf.find(bucket, key))

    @reads
    def list_objects(self, bucket: str, prefix: str = "") -> list[dict[str, Value]]:
        """The objects of a bucket whose keys start with `prefix`, in order of their keys.

        Raises:
            NotFound: There is no such bucket.
        """
        return [_shown(key, fields) for key, fields in self._shelf.listed(bucket, prefix)]

    @writes(silent=True)
    def delete_object(self, bucket: str, key: str) -> bool:
        """Remove an object; False where there was none.

        Raises:
            NotFound: There is no such bucket.
        """
        return self._shelf.remove(bucket, key)

    @property
    @reads
    def connection_info(self) -> dict[str, Value]:
        """Where S3's clients find it: `endpoint_url`, `region`."""
        return {"endpoint_url": f"https://{self._names[-1]}", "region": "us-east-1"}

    # -- inside ---------------------------------------------------------------------------------------------------

    async def _serve(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if self._app is None:
            from terrarium.capability.object_store.s3 import S3

            self._app = S3(self._shelf, self._keys, self._names, self._name_hosts)
        await self._app.serve(scope, receive, send)

    async def _name_hosts(self) -> None:
        """Have every bucket be a host of its own, as clients address it."""
        wanted = {"": self._names} | {
            row.key: tuple(f"{row.key}.{name}" for name in self._names) for row in self._store.table("bucket")
        }
        for bucket in [bucket for bucket in self._hosts if bucket not in wanted]:
            await self._hosts.pop(bucket).close()
        for bucket, names in wanted.items():
            if bucket not in self._hosts:
                limits = HttpLimits(body_bytes=_BODY)
                self._hosts[bucket] = WebHost(self._site, names, self._serve, limits=limits, name="AmazonS3")
                await self._hosts[bucket].open()


def _shown(key: str, fields: Fields) -> dict[str, Value]:
    names = ("size", "type", "etag", "modified", "metadata", "by")
    return {"key": key, **{name: fields[name] for name in names}}


def _buckets(site: Site) -> Mapping[str, Mapping[str, str]]:
    found = site.config.get("buckets") or {}
    if isinstance(found, (list, tuple)):
        found = {name: {} for name in found}
    if not isinstance(found, Mapping) or not all(isinstance(access, Mapping) for access in found.values()):
        raise ConfigError(f"{site.name}: buckets must be a list of names, or a table of tables, not {found!r:.100}")
    return found

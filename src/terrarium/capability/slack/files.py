"""Files: uploaded in three steps, shared in messages, read by those who see one of these."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator, Sequence

from terrarium.capability.slack.channels import Channels, sees
from terrarium.capability.slack.messages import Draft, Messages
from terrarium.capability.slack.team import Member, code_of
from terrarium.core.errors import NotFound, Refused
from terrarium.core.rows import Fields

LIMIT = 5000  # files of a team
NAME = 255


class Files:
    """The files of one team.

    Args:
        channels: Where they are shared.
        messages: In which messages.
    """

    def __init__(self, channels: Channels, messages: Messages) -> None:
        self._channels = channels
        self._messages = messages
        self._store = channels.store
        self._site = channels.site

    def get(self, id: str, viewer: Member | None = None) -> Fields:
        """A file.

        Raises:
            NotFound: There is none that the viewer sees, or it was deleted.
        """
        found = self._store.get("file", id)
        if found is None or found["state"] == "waiting" or not self._sees(found, viewer):
            raise NotFound(f"there is no file {id[:80]!r}", code="file_not_found")
        if found["state"] == "deleted":
            raise NotFound(f"file {id!r} was deleted", code="file_deleted")
        return found

    def all(self, viewer: Member | None = None) -> Iterator[tuple[str, Fields]]:
        """The files that a member sees, by id, newest first."""
        there = [row for row in self._store.table("file") if row.fields["state"] == "there"]
        for row in sorted(there, key=lambda row: (row.fields["created"], row.key), reverse=True):
            if self._sees(row.fields, viewer):
                yield row.key, row.fields

    def content(self, id: str, viewer: Member | None = None) -> bytes:
        """What is in a file.

        Raises:
            NotFound: As `get`.
        """
        return self._store.blobs.get(self.get(id, viewer)["digest"])

    # -- uploading ------------------------------------------------------------------------------------------------

    def begin(self, member: Member, name: str, length: int) -> tuple[str, str]:
        """Have room made for a file; gives its id, and the secret of the address where its bytes are taken.

        Raises:
            Refused: The name or length cannot be one, or there is no room.
        """
        name = name.strip().replace("/", "_")
        if not name or len(name) > NAME or not name.isprintable():
            raise Refused(f"a file needs a name of at most {NAME} characters", code="invalid_arguments")
        if length <= 0:
            raise Refused("a file has at least one byte", code="invalid_arguments")
        used = sum(row.fields["size"] for row in self._store.table("file"))
        if self._store.count("file") >= LIMIT or used + length > self._channels.team.storage:
            raise Refused("the team's files take all the room there is", code="file_upload_size_restricted")
        stream = self._site.rng.stream(self._site.name)
        id, secret = f"F{code_of(stream.getrandbits(60), 10)}", f"{stream.getrandbits(160):040x}"
        fields = {"name": name, "title": name, "user": member.id, "created": self._site.clock.now, "size": length}
        fields |= {"mimetype": _kind(name), "digest": None, "state": "waiting", "upload": secret, "shares": []}
        self._store.insert(self._site.actor(), "file", id, {**fields, "by": self._site.actor()})
        return id, secret

    def receive(self, secret: str, data: bytes) -> None:
        """Take in the bytes of a file.

        Raises:
            NotFound: Nobody waits for them there.
            Refused: They are not as many as was said, or have come already.
        """
        for row in self._store.table("file"):
            if row.fields["upload"] == secret and row.fields["state"] == "waiting":
                if row.fields["digest"] is not None:
                    raise Refused("the bytes of this file have come already", code="already_uploaded")
                if len(data) != row.fields["size"]:
                    raise Refused(f"{row.fields['size']} bytes were announced, not {len(data)}", code="wrong_length")
                self._store.update(self._site.actor(), "file", row.key, digest=self._store.blobs.put(data))
                return
        raise NotFound("nobody waits for a file here", code="not_found")

    def complete(
        self,
        member: Member,
        files: Sequence[tuple[str, str | None]],
        channel: str | None,
        comment: str = "",
        thread: str | None = None,
    ) -> str | None:
        """Finish uploads and share them in a conversation; gives the `ts` of the message.

        Args:
            member: Whose they are.
            files: Ids and titles.
            channel: The id of the conversation; None: only the member sees them.
            comment: The text of the message.
            thread: The `ts` of the message that it answers.

        Raises:
            NotFound: A file, the conversation or the thread is not there.
            Refused: The bytes of a file have not come, or the member cannot post there.
        """
        ids = [id for id, _ in files]
        if not ids or len(set(ids)) != len(ids):
            raise Refused("name each file once, and at least one", code="invalid_arguments")
        for id in ids:
            found = self._store.get("file", id)
            if found is None or found["user"] != member.id or found["state"] != "waiting":
                raise NotFound(f"no upload {id[:80]!r} waits to be finished", code="file_not_found")
            if found["digest"] is None:
                raise Refused(f"the bytes of {id} have not come", code="file_not_found")
        draft = Draft(comment, files=ids)
        if channel is not None:
            self._messages.check(channel, member, draft)
            if thread is not None:
                self._messages.thread_of(channel, thread)
        ts = self._messages.post(channel, member, draft, thread) if channel is not None else None
        for id, title in files:
            found = self._store.get("file", id) or {}
            shares = [] if ts is None else [{"channel": channel, "ts": ts}]
            told = {"title": title or found["title"], "state": "there", "upload": None, "shares": shares}
            self._store.update(self._site.actor(), "file", id, **told)
        return ts

    def delete(self, id: str, by: Member | None) -> None:
        """Delete a file; messages go on naming it. Its bytes count as room taken.

        Raises:
            NotFound: There is none.
            Refused: It is somebody else's.
        """
        found = self.get(id, by)
        if by is not None and found["user"] != by.id:
            raise Refused("only who uploaded a file can delete it", code="cant_delete_file")
        self._store.update(self._site.actor(), "file", id, state="deleted", digest=None)

    def _sees(self, fields: Fields, viewer: Member | None) -> bool:
        if viewer is None or fields["user"] == viewer.id:
            return True
        rooms = (self._store.get("channel", share["channel"]) for share in fields["shares"])
        return any(room is not None and sees(room, viewer) for room in rooms)


def _kind(name: str) -> str:
    """The MIME type that a name says."""
    return _TYPES.guess_type(name)[0] or "application/octet-stream"


_TYPES = mimetypes.MimeTypes()  # Python's own table: the machine's files may say something else
for _ending, _type in ((".md", "text/markdown"), (".log", "text/plain"), (".yaml", "text/yaml"), (".yml", "text/yaml")):
    _TYPES.add_type(_type, _ending)

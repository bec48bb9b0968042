"""Sandboxes for servers: on top of another one's files, as a user that is not root, reached by a unix socket."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from local_box import needs_namespaces, out, use

from terrarium.core.errors import NotFound
from terrarium.core.sandbox import Ground
from terrarium.sandbox.local.sandbox import LocalSandbox

pytestmark = needs_namespaces


def test_what_lies_below_is_seen_changed_above_and_never_itself(tmp_path: Path) -> None:
    async def lay(box: LocalSandbox) -> None:
        await box.write("/srv/kept", b"kept")
        await out(box, "mkdir /data && echo old > /data/file && echo gone > /data/gone")

    use(tmp_path / "below", lay)
    ground = Ground(below=tmp_path / "below")

    async def work(box: LocalSandbox) -> None:
        assert await box.read("/data/file") == b"old\n"
        await out(box, "echo new >> /data/file && rm /data/gone && ls /data /srv")
        await box.save(tmp_path / "saved")
        assert await out(box, "cat /data/file /srv/kept; ls /data") == "old\nnew\nkeptfile\n"

    use(tmp_path / "one", work, ground)

    async def again(box: LocalSandbox) -> None:
        assert await out(box, "cat /data/file; ls /data") == "old\nnew\nfile\n"

    use(tmp_path / "saved", again, ground)

    async def fresh(box: LocalSandbox) -> None:
        assert await out(box, "cat /data/file; ls /data") == "old\nfile\ngone\n"

    use(tmp_path / "two", fresh, ground)
    use(tmp_path / "below", fresh)


def test_commands_are_another_user_without_more_rights(tmp_path: Path) -> None:
    async def work(box: LocalSandbox) -> None:
        await box.write("/srv/theirs", b"x", mode=0o600)
        told = await out(box, "id -u; id -g; stat -c %u /srv/theirs; grep -E 'CapEff|NoNewPrivs' /proc/self/status")
        assert told.split() == ["26", "26", "26", "CapEff:", "0000000000000000", "NoNewPrivs:", "1"]
        for command in ("unshare -U true", "mount -t tmpfs x /mnt", "touch /usr/x", "chown 0 /srv/theirs"):
            assert (await box.exec(command)).exit_code, command
        assert await out(box, "cat /srv/theirs; echo y > /srv/theirs; sleep 30 & echo on") == "xon\n"
        assert await box.read("/srv/theirs") == b"y\n"

    use(tmp_path, work, Ground(uid=26))


LISTEN = """
import os, socket
s = socket.socket(socket.AF_UNIX); s.bind("/run/here"); s.listen(1)
os.symlink("/run/here", "/run/link"); os.fork() and os._exit(0)
while True:
    c, _ = s.accept(); c.sendall(b"hello"); c.close()
"""


def test_a_unix_socket_inside_can_be_dialled(tmp_path: Path) -> None:
    async def work(box: LocalSandbox) -> None:
        with pytest.raises(NotFound):
            await box.dial("/run/here", 0)
        await out(box, ["python3", "-c", LISTEN])
        for path in ("/run/here", "/run/link"):
            with await box.dial(path, 0) as link:
                assert await asyncio.get_running_loop().sock_recv(link, 100) == b"hello"
        await out(box, f"ln -s {tmp_path}/outside /run/away; echo no > /run/file")
        for path in ("/run/away", "/run/file", "/run", "/" + "x" * 300):
            with pytest.raises(NotFound):
                await box.dial(path, 0)

    use(tmp_path / "box", work)

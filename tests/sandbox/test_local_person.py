"""The user of a local sandbox, where it is somebody's."""

from __future__ import annotations

import shutil

from local_box import needs_namespaces, out, root_filesystem, use

from terrarium.core.person import Person
from terrarium.core.sandbox import Ground

pytestmark = needs_namespaces

ANN = Person("ann", "Lee, Ann: A&B", "ann@corp.example")


def test_commands_and_the_shell_know_whose_they_are(tmp_path):
    async def work(box):
        assert await out(box, "whoami; id -u; echo $USER $LOGNAME $EMAIL") == "ann\n0\nann ann ann@corp.example\n"
        assert (await box.shell("whoami; echo $EMAIL")).stdout == "ann\nann@corp.example\n"
        assert await out(box, "head -2 /etc/passwd") == (
            "ann:x:0:0:Lee Ann A B:/root:/bin/bash\nroot:x:0:0:root:/root:/bin/bash\n"
        )
        if shutil.which("git"):
            said = await out(box, "git init -q . && git commit -q --allow-empty -m x && git log --format='%an %ae'")
            assert said == "Lee Ann A B ann@corp.example\n"
        await out(box, "echo own >> /etc/passwd; echo kept > kept")
        await box.save(tmp_path / "saved")

    use(tmp_path / "box", work, Ground(person=ANN))
    again = use(tmp_path / "saved", lambda box: out(box, "whoami; tail -1 /etc/passwd"), Ground(person=ANN))
    assert again == "ann\nown\n"


def test_nothing_is_started_or_written_for_it(tmp_path):
    async def work(box):
        assert (await box.read("/etc/passwd")).startswith(b"ann:x:0:0:")
        assert not (tmp_path / "box").exists()

    use(tmp_path / "box", work, Ground(person=ANN, keep=False))


def test_without_a_person_the_user_is_root(tmp_path):
    async def work(box):
        assert await out(box, "whoami; echo $USER $LOGNAME $EMAIL") == "root\nroot root\n"
        return [row for row in box.rows() if row.key.startswith("/etc")]

    assert use(tmp_path / "box", work) == []


def test_a_root_filesystem_keeps_its_users(tmp_path):
    rootfs = root_filesystem(tmp_path / "rootfs")
    (rootfs / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\nwww:x:33:33::/data:/bin/sh\n")
    ground = Ground(settings={"rootfs": str(rootfs)}, person=ANN)
    assert use(tmp_path / "box", lambda box: out(box, "cat /etc/passwd"), ground) == (
        "ann:x:0:0:Lee Ann A B:/root:/bin/sh\nroot:x:0:0::/root:/bin/sh\nwww:x:33:33::/data:/bin/sh\n"
    )
    for link in ("/data/elsewhere", "/etc/shadow"):
        (rootfs / "etc" / "passwd").unlink()
        (rootfs / "etc" / "passwd").symlink_to(link)
        place = tmp_path / link.rpartition("/")[2]
        said = use(place, lambda box: out(box, "cat /etc/passwd 2>&1 || echo $USER"), ground)
        assert said.endswith("No such file or directory\nann\n")
    (rootfs / "etc" / "passwd").unlink()
    (rootfs / "etc" / "passwd").write_text("rubbish\n")
    assert use(tmp_path / "rubbish", lambda box: out(box, "cat /etc/passwd"), ground) == "rubbish\n"

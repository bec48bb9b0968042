"""The base that sandboxes stand on when they name no root filesystem: the machine's /usr, and an /etc made for them."""

from __future__ import annotations

import functools
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import hashlib

FOLDERS: dict[str, int] = {
    "dev": 0o755, "etc": 0o755, "home": 0o755, "mnt": 0o755, "opt": 0o755, "proc": 0o555, "root": 0o700, "run": 0o755,
    "srv": 0o755, "sys": 0o555, "tmp": 0o1777, "usr": 0o755, "var": 0o755,
}  # fmt: skip
"""The folders of a new sandbox, and their modes. All but /dev, /etc, /proc and /usr are empty."""

_ROOTS = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")  # links into /usr, or folders on older systems
BUNDLE = "ssl/certs/ca-certificates.crt"
"""Where programs look for whom to trust, below /etc."""
BUNDLES = (
    BUNDLE, "ssl/cert.pem", "ssl/ca-bundle.pem", "pki/tls/certs/ca-bundle.crt",
    "pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
)  # fmt: skip
"""All such places that systems have; many are links to another of them."""
COVERED = frozenset({"hosts", *BUNDLES})
"""What a sandbox that has started shows something else at."""

_COPIED = (
    "ld.so.cache", "ld.so.conf", "ssl/openssl.cnf", BUNDLE,
    "pki/tls/certs/ca-bundle.crt", "services", "protocols", "mime.types",
)  # fmt: skip
_PACKAGES = (
    "/var/lib/dpkg/status",
    "/var/lib/rpm/rpmdb.sqlite",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/lib/apk/db/installed",
)
_WRITTEN = {
    "group": "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n",
    "hostname": "world\n",
    "hosts": "127.0.0.1\tlocalhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files\nservices: files\nprotocols: files\n",
    "passwd": "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n",
    "profile": "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n",
    "resolv.conf": "",
    "shells": "/bin/sh\n/bin/bash\n",
    "timezone": "Etc/UTC\n",
}
_LINKS = {
    "localtime": "/usr/share/zoneinfo/Etc/UTC",
    "mtab": "../proc/self/mounts",
    "os-release": "../usr/lib/os-release",
    "ssl/cert.pem": "certs/ca-certificates.crt",
}


def roots() -> dict[str, str | None]:
    """The machine's /bin, /lib and so on: where the link leads, or None for a folder of its own."""
    found: dict[str, str | None] = {}
    for name in _ROOTS:
        if os.path.islink(f"/{name}"):
            found[name] = os.readlink(f"/{name}").lstrip("/")
        elif os.path.isdir(f"/{name}"):
            found[name] = None
    return found


@functools.cache
def etc() -> dict[str, bytes | str]:
    """What is in /etc, by path below it: the content of files as bytes, the target of links as text."""
    found: dict[str, bytes | str] = {name: text.encode() for name, text in _WRITTEN.items()}
    found.update(_LINKS)
    found[BUNDLE] = b""
    for name in _COPIED:
        try:
            with open(f"/etc/{name}", "rb") as file:
                found[name] = file.read()
        except OSError:
            continue
    for folder in ("alternatives", "ld.so.conf.d"):
        for name in _names(f"/etc/{folder}"):
            path = f"/etc/{folder}/{name}"
            if os.path.islink(path):
                found[f"{folder}/{name}"] = os.readlink(path)
            elif folder == "ld.so.conf.d" and os.path.isfile(path):
                with open(path, "rb") as file:
                    found[f"{folder}/{name}"] = file.read()
    return found


def lay(place: str, owner: int) -> None:
    """Write the folders, links and /etc of a new sandbox into `place`, for root of a sandbox to own."""
    made = [place]
    for name, mode in FOLDERS.items():
        os.mkdir(f"{place}/{name}")
        os.chmod(f"{place}/{name}", mode)
        made.append(f"{place}/{name}")
    for name, target in roots().items():
        if target is None:
            os.mkdir(f"{place}/{name}")
        else:
            os.symlink(target, f"{place}/{name}")
        made.append(f"{place}/{name}")
    for name, content in etc().items():
        path = f"{place}/etc/{name}"
        folder = os.path.dirname(path)
        while not os.path.isdir(folder):
            os.makedirs(folder)
        if isinstance(content, str):
            os.symlink(content, path)
        else:
            with open(path, "wb") as file:
                file.write(content)
    for folder, names, files in os.walk(f"{place}/etc"):
        made += [folder, *(f"{folder}/{name}" for name in [*names, *files])]
    if owner != os.geteuid():
        for path in made:
            os.chown(path, owner, owner, follow_symlinks=False)


@functools.cache
def host_digest() -> str:
    """A short digest of the machine's /usr, cheap to make: release, package database, names of programs."""
    import hashlib

    total = hashlib.sha256()
    for path in ("/usr/lib/os-release", "/etc/os-release"):
        try:
            with open(path, "rb") as file:
                total.update(file.read())
        except OSError:
            continue
    _stat_into(total, _PACKAGES)
    for folder in ("/usr/bin", "/usr/sbin", "/usr/lib", "/usr/local/bin", "/usr/local/lib"):
        total.update("\n".join(_names(folder)).encode("utf-8", "surrogateescape") + b"\0")
    return total.hexdigest()[:16]


def rootfs_digest(root: str) -> str:
    """The same for a root filesystem that lies unpacked at `root`."""
    import hashlib

    total = hashlib.sha256()
    _stat_into(total, [root + path for path in _PACKAGES])
    for folder in ("", "/etc", "/usr", "/usr/bin", "/usr/lib", "/usr/local/bin", "/bin", "/lib", "/opt"):
        total.update("\n".join(_names(f"{root}{folder}")).encode("utf-8", "surrogateescape") + b"\0")
    try:
        with open(f"{root}/etc/os-release", "rb") as file:
            total.update(file.read())
    except OSError:
        pass
    return total.hexdigest()[:16]


def _stat_into(total: hashlib._Hash, paths: list[str] | tuple[str, ...]) -> None:
    for path in paths:
        try:
            found = os.stat(path)
        except OSError:
            continue
        total.update(f"{found.st_size} {found.st_mtime_ns}\n".encode())


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []

"""The commands that deal with files and folders, and the few that deal with neither."""

from __future__ import annotations

import re
from datetime import datetime

from terrarium.core.errors import NotFound, Refused
from terrarium.core.values import to_micros
from terrarium.sandbox.tinyshell.patterns import wild, wild_match
from terrarium.sandbox.tinyshell.process import Fault, Options, Process, command, home, reason
from terrarium.sandbox.tinyshell.tree import Stat, under

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def _need(words: list[str], least: int, what: str) -> None:
    if len(words) < least:
        raise Fault(f"missing operand: {what}", 2)


@command("true", raw=True)
def _true(p: Process, options: Options, words: list[str]) -> int:
    return 0


@command("false", raw=True)
def _false(p: Process, options: Options, words: list[str]) -> int:
    return 1


@command("pwd")
def _pwd(p: Process, options: Options, words: list[str]) -> int:
    p.say(p.session.cwd + "\n")
    return 0


@command("cd")
def _cd(p: Process, options: Options, words: list[str]) -> int:
    if len(words) > 1:
        raise Fault("too many arguments")
    word = words[0] if words else home(p.session.env)
    path = p.path(word)
    kind = p.tree.kind(path)
    if kind != "dir":
        raise Fault(f"{word}: {'Not a directory' if kind else 'No such file or directory'}")
    p.session.cwd = p.session.env["PWD"] = path
    return 0


@command("ls", "la1t")
def _ls(p: Process, options: Options, words: list[str]) -> int:
    files: list[str] = []
    folders: list[str] = []
    for word in words or ["."]:
        kind = None
        with p.tolerate(word):
            kind = p.tree.stat(p.path(word)).kind
        if kind is not None:
            (folders if kind == "dir" else files).append(word)
    p.status = 2 if p.status else 0
    _list(p, options, [(word, p.tree.stat(p.path(word))) for word in files])
    for position, word in enumerate(folders):
        path = p.path(word)
        names = [name.rstrip("/") for name in p.tree.names(path)]
        shown = [name for name in names if "a" in options or not name.startswith(".")]
        entries = [(name, p.tree.stat(under(path) + name)) for name in shown]
        if "a" in options:
            entries = [(".", p.tree.stat(path)), ("..", p.tree.stat(p.path(f"{word}/.."))), *entries]
        if len(words) > 1:
            p.say(("\n" if position or files else "") + f"{word}:\n")
        _list(p, options, entries)
    return 0


def _list(p: Process, options: Options, entries: list[tuple[str, Stat]]) -> None:
    entries = sorted(entries, key=lambda entry: entry[0].encode())
    if "t" in options:
        entries.sort(key=lambda entry: entry[1].mtime, reverse=True)
    width = max((len(str(stat.size)) for _, stat in entries), default=1)
    for name, stat in entries:
        long = ""
        if "l" in options:
            mode = ("d" if stat.kind == "dir" else "-") + "".join(
                letter if stat.mode >> (8 - bit) & 1 else "-" for bit, letter in enumerate("rwxrwxrwx")
            )
            long = f"{mode} 1 root root {stat.size:{width}d} {stat.mtime.isoformat(' ', 'minutes')[:16]} "
        p.say(f"{long}{name}\n")


@command("mkdir", "p")
def _mkdir(p: Process, options: Options, words: list[str]) -> int:
    _need(words, 1, "mkdir [-p] FOLDER...")
    for word in words:
        with p.tolerate(word):
            path = p.path(word)
            if "p" not in options:
                if p.tree.kind(path) is not None:
                    raise Refused("File exists", code="EEXIST")
                p.need_folder(path)
            p.tree.make_dirs(path)
    return 0


@command("rmdir")
def _rmdir(p: Process, options: Options, words: list[str]) -> int:
    _need(words, 1, "rmdir FOLDER...")
    for word in words:
        with p.tolerate(word):
            path = p.path(word)
            if p.tree.names(path):
                raise Refused("Directory not empty", code="ENOTEMPTY")
            p.tree.remove(path)
    return 0


@command("rm", "rRf")
def _rm(p: Process, options: Options, words: list[str]) -> int:
    if not words and "f" not in options:
        _need(words, 1, "rm [-r] [-f] PATH...")
    for word in words:
        with p.tolerate(word):
            path = p.path(word)
            kind = p.tree.kind(path)
            if kind is None and "f" in options:
                continue
            if kind == "dir" and not {"r", "R"} & set(options):
                raise Refused("Is a directory", code="EISDIR")
            p.tree.remove(path)
    return 0


@command("touch")
def _touch(p: Process, options: Options, words: list[str]) -> int:
    _need(words, 1, "touch FILE...")
    for word in words:
        with p.tolerate(word):
            if p.kind(word) is None:
                p.write(word, b"")
            else:
                p.tree.set(p.path(word), mtime=p.tree.clock.now)
    return 0


@command("cp", "rR")
def _cp(p: Process, options: Options, words: list[str]) -> int:
    return _transfer(p, words, recursive=bool(options), move=False)


@command("mv", "f")
def _mv(p: Process, options: Options, words: list[str]) -> int:
    return _transfer(p, words, recursive=True, move=True)


def _transfer(p: Process, words: list[str], *, recursive: bool, move: bool) -> int:
    _need(words, 2, f"{p.name} SOURCE... TARGET")
    *sources, last = words
    into = p.kind(last) == "dir"
    if len(sources) > 1 and not into:
        raise Fault(f"{last}: Not a directory")
    for word in sources:
        with p.tolerate(word):
            source = p.path(word)
            if p.tree.kind(source) == "dir" and not recursive:
                raise Refused(f"{word}: it is a directory; use -r", code="EINVAL")
            target = p.path(last)
            p.tree.copy(source, under(target) + source.rpartition("/")[2] if into else target, move=move)
    return 0


@command("chmod", raw=True)
def _chmod(p: Process, options: Options, words: list[str]) -> int:
    words = words[1:] if words[:1] == ["--"] else words
    _need(words, 2, "chmod MODE FILE...")
    symbolic = re.fullmatch(r"([ugoa]*)([+\-=])([rwx]*)", words[0])
    octal = re.fullmatch(r"0?[0-7]{1,3}", words[0])
    if not symbolic and not octal:
        raise Fault(f"{words[0]!r} is no mode: use 755 or u+x", 2)
    for word in words[2:] if words[1] == "--" else words[1:]:
        with p.tolerate(word):
            mode = p.tree.stat(p.path(word)).mode
            if octal:
                mode = int(words[0], 8)
            elif symbolic:
                who = symbolic[1].replace("a", "ugo") or "ugo"
                bits = sum({"r": 4, "w": 2, "x": 1}[letter] for letter in set(symbolic[3]))
                mask, full = (
                    sum(value << shift for name, shift in (("u", 6), ("g", 3), ("o", 0)) if name in who)
                    for value in (bits, 7)
                )
                mode = {"+": mode | mask, "-": mode & ~mask, "=": mode & ~full | mask}[symbolic[2]]
            p.tree.set(p.path(word), mode=mode)
    return 0


@command("find", raw=True)
def _find(p: Process, options: Options, words: list[str]) -> int:
    starts: list[str] = []
    while words and not words[0].startswith("-"):
        starts.append(words.pop(0))
    name = kind = newer = None
    while words:
        test = words.pop(0)
        if test not in ("-name", "-type", "-newer"):
            raise Fault(f"unknown predicate {test!r}; the memory sandbox knows: -name -type -newer")
        if not words:
            raise Fault(f"{test} needs a value")
        value = words.pop(0)
        if test == "-name":
            name = wild(value)
        elif test == "-type":
            if value not in ("f", "d"):
                raise Fault("-type is f or d")
            kind = {"f": "file", "d": "dir"}[value]
        else:
            try:
                newer = p.tree.stat(p.path(value)).mtime
            except (NotFound, Refused) as error:
                raise Fault(f"{value}: {reason(error)}") from None
    for start in starts or ["."]:
        with p.tolerate(start):
            top = p.path(start)
            for path, found in p.tree.walk(top):
                shown = start + ("" if path == top else ("" if start.endswith("/") else "/") + path[len(under(top)) :])
                base = start.rstrip("/").rpartition("/")[2] or "/" if path == top else path.rpartition("/")[2]
                p.tree.spend(8 * len(name or ()))
                if (
                    (kind is None or found == kind)
                    and (name is None or wild_match(name, base))
                    and (newer is None or p.tree.stat(path).mtime > newer)
                ):
                    p.say(shown + "\n")
    return 0


@command("test", raw=True)
def _test(p: Process, options: Options, words: list[str]) -> int:
    return 0 if _holds(p, words) else 1


@command("[", raw=True)
def _bracket(p: Process, options: Options, words: list[str]) -> int:
    if words[-1:] != ["]"]:
        raise Fault("missing ']'", 2)
    return 0 if _holds(p, words[:-1]) else 1


_NUMERIC = {"-eq": (0,), "-ne": (-1, 1), "-lt": (-1,), "-le": (-1, 0), "-gt": (1,), "-ge": (0, 1)}


def _holds(p: Process, words: list[str]) -> bool:
    wanted = True
    while len(words) > 1 and words[0] == "!":
        words, wanted = words[1:], not wanted
    if len(words) <= 1:
        return bool(words and words[0]) == wanted
    if len(words) == 2:
        return _unary(p, words[0], words[1]) == wanted
    if len(words) == 3:
        return _binary(*words) == wanted
    raise Fault("too many arguments: the memory sandbox knows one test at a time; join them with && and ||", 2)


def _unary(p: Process, test: str, word: str) -> bool:
    if test in ("-z", "-n"):
        return (not word) == (test == "-z")
    if test not in ("-e", "-f", "-d", "-s"):
        raise Fault(f"unknown test {test!r}; the memory sandbox knows: -e -f -d -s -z -n", 2)
    try:
        stat = p.tree.stat(p.path(word))
    except (NotFound, Refused):
        return False
    return {"-e": True, "-f": stat.kind == "file", "-d": stat.kind == "dir", "-s": stat.kind == "dir" or stat.size > 0}[
        test
    ]


def _binary(left: str, test: str, right: str) -> bool:
    if test in ("=", "==", "!="):
        return (left == right) != (test == "!=")
    if test not in _NUMERIC:
        raise Fault(f"unknown test {test!r}; the memory sandbox knows: = != {' '.join(_NUMERIC)}", 2)
    if not all(re.fullmatch(r"[+-]?[0-9]{1,30}", word) for word in (left, right)):
        raise Fault(f"{test} compares whole numbers, not {left[:40]!r} and {right[:40]!r}", 2)
    return (int(left) > int(right)) - (int(left) < int(right)) in _NUMERIC[test]


@command("date", raw=True)
def _date(p: Process, options: Options, words: list[str]) -> int:
    words = [word for word in words if word != "-u"]
    if len(words) > 1 or (words and not words[0].startswith("+")):
        raise Fault("in the memory sandbox it knows: date [-u] [+FORMAT]")
    p.say(_moment(p.tree.clock.now, words[0][1:] if words else "%a %b %e %H:%M:%S %Z %Y") + "\n")
    return 0


def _moment(now: datetime, form: str) -> str:
    """World time in a format of `date`; done here because strftime knows the host's language and zone."""
    day = f"{now.year:04d}-{now.month:02d}-{now.day:02d}"
    clock = f"{now.hour:02d}:{now.minute:02d}:{now.second:02d}"
    known = {
        "Y": f"{now.year:04d}",
        "m": f"{now.month:02d}",
        "d": f"{now.day:02d}",
        "e": f"{now.day:2d}",
        "H": f"{now.hour:02d}",
        "M": f"{now.minute:02d}",
        "S": f"{now.second:02d}",
        "N": f"{now.microsecond * 1000:09d}",
        "F": day,
        "T": clock,
        "s": str(to_micros(now) // 10**6),
        "a": _DAYS[now.weekday()],
        "b": _MONTHS[now.month - 1],
        "j": f"{now.timetuple().tm_yday:03d}",
        "u": str(now.isoweekday()),
        "Z": "UTC",
        "z": "+0000",
        "n": "\n",
        "t": "\t",
        "%": "%",
    }

    def field(found: re.Match[str]) -> str:
        if found[1] not in known:
            raise Fault(f"unknown field %{found[1]}; the memory sandbox knows: {' '.join(known)}")
        return known[found[1]]

    return re.sub(r"%(.?)", field, form, flags=re.DOTALL)

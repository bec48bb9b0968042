"""The commands that write, read and change text."""

from __future__ import annotations

import hashlib
import re
from decimal import Decimal

from terrarium.sandbox.tinyshell.patterns import Regex, regex
from terrarium.sandbox.tinyshell.process import LINE_WORK, STREAM_LIMIT, Fault, Options, Process, command
from terrarium.sandbox.tinyshell.tree import WorkSpent, under

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "\\": "\\"}


def _unescape(text: str) -> str:
    def one(found: re.Match[str]) -> str:
        if found[1][0] in "01234567":
            return bytes([int(found[1], 8) & 255]).decode("utf-8", "surrogateescape")
        return _ESCAPES.get(found[1], found[0])

    # Octal escapes write bytes; neighbours may make one character of UTF-8, which only encoding anew can tell.
    changed = re.sub(r"\\(0?[0-7]{1,3}|.)", one, text, flags=re.DOTALL)
    return changed.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def _number(text: str, option: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,15}", text):
        raise Fault(f"-{option} takes a number, not {text[:40]!r}", 2)
    return int(text)


@command("echo", raw=True)
def _echo(p: Process, options: Options, words: list[str]) -> int:
    newline, escapes = True, False
    while words and re.fullmatch(r"-[neE]+", words[0]):
        letters = words.pop(0)
        newline = newline and "n" not in letters
        escapes = "e" in letters
    text = " ".join(words)
    p.say((_unescape(text) if escapes else text) + ("\n" if newline else ""))
    return 0


_DIRECTIVE = re.compile(r"%(%|([-0]*)([0-9]{0,3})(?:\.([0-9]{0,3}))?([sdixoc]))")


@command("printf", raw=True)
def _printf(p: Process, options: Options, words: list[str]) -> int:
    words = words[1:] if words[:1] == ["--"] else words
    if not words:
        raise Fault("missing operand: printf FORMAT [VALUE...]", 2)
    form, values = _unescape(words[0]), list(reversed(words[1:]))

    def field(found: re.Match[str]) -> str:
        if found[1] == "%":
            return "%"
        value = values.pop() if values else ""
        flags, kind = found[2], found[5]
        if kind in "sc":
            text = value[:1] if kind == "c" else value if found[4] is None else value[: int(found[4] or 0)]
        else:
            if value and not re.fullmatch(r"[+-]?[0-9]{1,30}", value):
                p.complain(f"{value[:40]}: expected a whole number")
                value = ""
            text = format(int(value or 0), "d" if kind in "di" else kind)
        width = int(found[3] or 0)
        if "-" in flags:
            return text.ljust(width)
        return text.zfill(width) if "0" in flags and kind not in "sc" else text.rjust(width)

    unknown = re.search(r"%", _DIRECTIVE.sub("", form))
    if unknown:
        raise Fault("in the memory sandbox a format knows: %s %c %d %i %x %o %%, with -, 0 and a width up to 999", 2)
    while True:
        left = len(values)
        p.tree.spend(LINE_WORK + len(form))
        p.say(_DIRECTIVE.sub(field, form))
        if not values or len(values) == left:
            return 0


@command("cat")
def _cat(p: Process, options: Options, words: list[str]) -> int:
    for _, data in p.inputs(words):
        p.out.write(data)
    return 0


@command("head", values="nc", counts=True)
def _head(p: Process, options: Options, words: list[str]) -> int:
    return _ends(p, options, words, head=True)


@command("tail", values="nc", counts=True)
def _tail(p: Process, options: Options, words: list[str]) -> int:
    return _ends(p, options, words, head=False)


def _ends(p: Process, options: Options, words: list[str], *, head: bool) -> int:
    unit = "c" if "c" in options else "n"
    text = options.get(unit, "10")
    count = _number(text, unit)
    for position, (word, data) in enumerate(p.inputs(words)):
        if len(words) > 1:
            p.say(("\n" if position else "") + f"==> {word} <==\n")
        items = data if unit == "c" else _lines_kept(data)
        if head:
            part = items[:count]
        elif text.startswith("+"):
            part = items[max(count - 1, 0) :]
        else:
            part = items[max(len(items) - abs(count), 0) :]
        p.out.write(part if isinstance(part, bytes) else b"".join(part))
    return 0


def _lines_kept(data: bytes) -> list[bytes]:
    parts = data.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


@command("wc", "lwc")
def _wc(p: Process, options: Options, words: list[str]) -> int:
    counts = [(word, [data.count(b"\n"), len(data.split()), len(data)]) for word, data in p.inputs(words)]
    if len(words) > 1:
        counts.append(("total", [sum(column) for column in zip(*(c for _, c in counts), strict=True)] or [0, 0, 0]))
    columns = [i for i, letter in enumerate("lwc") if letter in options] or [0, 1, 2]
    if len(columns) == 1 and len(words) < 2:
        width = 1
    else:  # wc knows the sizes of files beforehand and pads to them; not that of its standard input
        width = len(str(max((c[2] for _, c in counts), default=0))) if words and "-" not in words else 7
    for word, count in counts:
        numbers = " ".join(f"{count[i]:{width}d}" for i in columns)
        p.say(numbers + (f" {word}" if words else "") + "\n")
    return 0


@command("grep", "invcrRElqFh", "e")
def _grep(p: Process, options: Options, words: list[str]) -> int:
    if "e" not in options and not words:
        raise Fault("missing operand: grep [OPTION...] PATTERN [FILE...]", 2)
    patterns = options["e"].split("\n") if "e" in options else words.pop(0).split("\n")
    tests = [
        regex(pattern, extended="E" in options, fixed="F" in options, ignore_case="i" in options)
        for pattern in patterns
    ]
    recursive = bool({"r", "R"} & set(options))
    names = _grep_files(p, words) if recursive else words
    prefixed = (recursive or len(words) > 1) and "h" not in options
    any_match = False
    for word, data in p.inputs(names) if names or not recursive else ():
        binary = b"\0" in data
        matches = [
            (number, line)
            for number, line in enumerate(p.lines(data), 1)
            if any(test.search(line) for test in tests) != ("v" in options)
        ]
        any_match = any_match or bool(matches)
        label = f"{word}:" if prefixed else ""
        if "q" in options:
            continue
        if "l" in options:
            p.say(f"{word}\n" if matches else "")
        elif "c" in options:
            p.say(f"{label}{len(matches)}\n")
        elif binary and matches:
            p.say(f"Binary file {word} matches\n")
        else:
            for number, line in matches:
                p.say(f"{label}{number}:{line}\n" if "n" in options else f"{label}{line}\n")
    if p.status:
        return 2
    return 0 if any_match else 1


def _grep_files(p: Process, words: list[str]) -> list[str]:
    found: list[str] = []
    for word in words or ["."]:
        with p.tolerate(word):
            top = p.path(word)
            start = "" if not words else word if word.endswith("/") else f"{word}/"
            found.extend(
                word if path == top else start + path[len(under(top)) :]
                for path, kind in p.tree.walk(top)
                if kind == "file"
            )
    return found


@command("sort", "rnu")
def _sort(p: Process, options: Options, words: list[str]) -> int:
    lines = [line.encode("utf-8", "surrogateescape") for _, part in p.texts(words) for line in part]
    lines.sort()
    if "n" in options:
        lines.sort(key=_leading_number)
    if "u" in options:
        kept: dict[object, bytes] = {}
        for line in lines:
            kept.setdefault(_leading_number(line) if "n" in options else line, line)
        lines = list(kept.values())
    if "r" in options:
        lines.reverse()
    p.out.write(b"".join(line + b"\n" for line in lines))
    return 0


def _leading_number(line: bytes) -> Decimal:
    found = re.match(rb"\s*(-?[0-9]+(?:\.[0-9]*)?|-?\.[0-9]+)", line)
    return Decimal(found[1].decode()) if found else Decimal(0)


@command("uniq", "c")
def _uniq(p: Process, options: Options, words: list[str]) -> int:
    if len(words) > 1:
        raise Fault("in the memory sandbox it knows: uniq [-c] [FILE]", 2)
    runs: list[tuple[str, int]] = []
    for _, lines in p.texts(words):
        for line in lines:
            if runs and runs[-1][0] == line:
                runs[-1] = (line, runs[-1][1] + 1)
            else:
                runs.append((line, 1))
    for line, count in runs:
        p.say(f"{count:7d} {line}\n" if "c" in options else f"{line}\n")
    return 0


@command("cut", values="df")
def _cut(p: Process, options: Options, words: list[str]) -> int:
    delimiter = options.get("d", "\t")
    if "f" not in options or len(delimiter) != 1:
        raise Fault("in the memory sandbox it knows: cut [-d CHARACTER] -f LIST [FILE...]", 2)
    ranges: list[tuple[int, int | None]] = []
    for part in options["f"].split(","):
        found = re.fullmatch(r"([0-9]{0,9})(-?)([0-9]{0,9})", part)
        if not found or not (found[1] or found[3]) or 0 in (int(found[1] or 1), int(found[3] or 1)):
            raise Fault(f"{options['f'][:40]!r} is no list of fields: write for example 1,3-5,7-", 2)
        last = found[3] if found[2] else found[1]
        ranges.append((int(found[1] or 1), int(last) if last else None))
    for _, lines in p.texts(words):
        for line in lines:
            fields = line.split(delimiter)
            p.tree.spend(len(ranges))
            kept = [
                field
                for i, field in enumerate(fields, 1)
                if any(low <= i and (high is None or i <= high) for low, high in ranges)
            ]
            p.say((line if len(fields) == 1 else delimiter.join(kept)) + "\n")
    return 0


_SETS = {
    "lower": "abcdefghijklmnopqrstuvwxyz",
    "upper": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "digit": "0123456789",
    "space": "\t\n\v\f\r ",
    "alpha": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
}


_SET_LIMIT = 1000  # characters


def _set(text: str) -> str:
    if len(text) > _SET_LIMIT:
        raise Fault(f"a set is longer than {_SET_LIMIT} characters", 2)
    text = re.sub(r"\[:([a-z]+):\]", lambda found: _SETS.get(found[1], found[0]), _unescape(text))

    def expand(found: re.Match[str]) -> str:
        low, high = ord(found[1]), ord(found[2])
        if low > high:
            raise Fault(f"the range {found[0]!r} runs backwards", 2)
        if high - low > _SET_LIMIT or any(0xD800 <= end <= 0xDFFF for end in (low, high)):
            raise Fault(f"the range {found[0]!r} is too wide", 2)
        return "".join(map(chr, range(low, high + 1)))

    return re.sub(r"(.)-(.)", expand, text, flags=re.DOTALL)


@command("tr", "ds")
def _tr(p: Process, options: Options, words: list[str]) -> int:
    if not words or len(words) > 2 or ("d" in options and len(words) > 1) or (len(words) == 1 and not options):
        raise Fault("in the memory sandbox it knows: tr SET1 SET2, tr -d SET, tr -s SET", 2)
    p.tree.spend(len(p.stdin))
    text = p.stdin.decode("utf-8", "surrogateescape")
    first = _set(words[0])
    squeezed = first
    if "d" in options:
        text = text.translate(dict.fromkeys(map(ord, first)))
    elif len(words) == 2:
        second = squeezed = _set(words[1])
        if not second:
            raise Fault("the second set is empty", 2)
        table: dict[int, str] = {}
        for position, char in enumerate(first):  # of a character that is named twice, the last place counts
            table[ord(char)] = second[min(position, len(second) - 1)]
        text = text.translate(table)
    if "s" in options and "d" not in options:
        text = re.sub(f"([{re.escape(squeezed)}])\\1+", r"\1", text, flags=re.DOTALL) if squeezed else text
    p.say(text)
    return 0


@command("sed", "iEr", "e")
def _sed(p: Process, options: Options, words: list[str]) -> int:
    scripts = options["e"].split("\n") if "e" in options else words[:1]
    words = words if "e" in options else words[1:]
    if not scripts or ("i" in options and not words):
        raise Fault("missing operand: sed [-i] [-E] s/PATTERN/TEXT/[gi] [FILE...]", 2)
    edits = [_substitution(script, extended=bool({"E", "r"} & set(options))) for script in scripts]
    for word, data in p.inputs(words):
        lines = p.lines(data)
        size = 0
        for i, line in enumerate(lines):
            for test, template, count in edits:
                line = _substitute(test, template, count, line)
            size += len(line)
            if size > STREAM_LIMIT:
                raise WorkSpent
            lines[i] = line
        end = "\n" if data.endswith(b"\n") else ""
        changed = ("\n".join(lines) + end).encode("utf-8", "surrogateescape")
        if "i" not in options:
            p.out.write(changed)
        elif changed != data:
            with p.tolerate(word):
                p.write(word, changed)
    return 0


def _substitution(script: str, *, extended: bool) -> tuple[Regex, list[str | int], int]:
    """(pattern, what to put in: text and numbers of groups, how often: 0 = always) of `s/a/b/flags`."""
    script = script.strip()
    if len(script) < 2 or script[0] != "s" or script[1] in "\\\n":
        raise Fault("in the memory sandbox it knows only s/PATTERN/TEXT/[gi]", 2)
    mark = script[1]
    parts = re.split(rf"(?<!\\)((?:\\\\)*){re.escape(mark)}", script[2:])
    # re.split keeps the captured backslashes between the parts: they belong to the part before them.
    if len(parts) != 5:
        raise Fault(f"s needs three {mark!r}: s{mark}PATTERN{mark}TEXT{mark}[gi]", 2)
    pattern, text, flags = parts[0] + parts[1], parts[2] + parts[3], parts[4]
    if set(flags) - set("giI"):
        raise Fault(f"unknown flags {flags[:20]!r}: the memory sandbox knows g and i", 2)
    pattern, text = pattern.replace("\\" + mark, mark), text.replace("\\" + mark, mark)
    test = regex(pattern, extended=extended, ignore_case=bool(set("iI") & set(flags)))
    template: list[str | int] = []
    for found in re.finditer(r"\\([0-9])|\\(.)|(&)|([^\\&]+)|\\", text, flags=re.DOTALL):
        if found[1] or found[3]:
            template.append(int(found[1] or 0))
        else:
            template.append({"n": "\n", "t": "\t"}.get(found[2], found[2]) if found[2] else found[4] or "\\")
    if max((part for part in template if isinstance(part, int)), default=0) > test.groups:
        raise Fault("the text names a group that the pattern does not have", 2)
    return test, template, 0 if "g" in flags else 1


def _substitute(test: Regex, template: list[str | int], count: int, line: str) -> str:
    size = 0

    def put(found: re.Match[str]) -> str:
        nonlocal size
        text = "".join(part if isinstance(part, str) else found[part] or "" for part in template)
        size += len(text)
        if size > STREAM_LIMIT:
            raise WorkSpent
        return text

    return test.sub(put, line, count=count)


@command("tee", "a")
def _tee(p: Process, options: Options, words: list[str]) -> int:
    p.out.write(p.stdin)
    for word in words:
        with p.tolerate(word):
            p.write(word, p.stdin, append="a" in options)
    return 0


@command("sha256sum")
def _sha256sum(p: Process, options: Options, words: list[str]) -> int:
    for word in words or ["-"]:
        with p.tolerate(word):
            stdin = word == "-"
            p.tree.spend(len(p.stdin) if stdin else 0)
            digest = hashlib.sha256(p.stdin).hexdigest() if stdin else p.tree.sha256(p.path(word))
            p.say(f"{digest}  {word}\n")
    return 0

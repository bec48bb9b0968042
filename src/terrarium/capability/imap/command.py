"""The grammar of commands (RFC 3501, section 9, and the extensions that the server names)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from terrarium.capability.imap.criteria import scan_criteria
from terrarium.capability.imap.mailbox_name import scan_name, scan_pattern
from terrarium.capability.imap.request import (
    Append,
    Authenticate,
    Bare,
    Command,
    Expunge,
    Fetch,
    Listing,
    Login,
    Named,
    Rename,
    Request,
    Search,
    Status,
    Store,
    Thread,
    Transfer,
)
from terrarium.capability.imap.scanner import ASTRING, BadCommand, Scanner
from terrarium.capability.imap.section import scan_items
from terrarium.capability.imap.sequence import scan_sequence

TAG_LIMIT = 100
FLAGS_LIMIT = 200  # of one command
STATUS_ITEMS = frozenset({"MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "SIZE"})
SORT_KEYS = frozenset(
    {"ARRIVAL", "CC", "DATE", "FROM", "SIZE", "SUBJECT", "TO", "DISPLAYFROM", "DISPLAYTO"}  # RFC 5256, 5957
)
THREADINGS = ("ORDEREDSUBJECT", "REFERENCES")
RETURNS = frozenset({"MIN", "MAX", "ALL", "COUNT"})
_TAG = ASTRING - {ord("+")}


def tag_of(parts: tuple[bytes, ...]) -> str:
    """The tag of a command that may be broken; `*` where it has none."""
    tag = parts[0][: TAG_LIMIT + 1].partition(b" ")[0]
    return tag.decode("ascii") if 0 < len(tag) <= TAG_LIMIT and all(byte in _TAG for byte in tag) else "*"


def parse_command(parts: tuple[bytes, ...]) -> Command:
    """A command out of its texts and literals.

    Raises:
        BadCommand: It is none.
        BadCharset: It searches in a charset that is not known.
    """
    tag = tag_of(parts)
    if tag == "*":
        raise BadCommand("a command starts with a tag")
    scanner = Scanner(parts)
    scanner.take(_TAG, "a tag")
    scanner.space()
    name, uid = scanner.word("the name of a command"), False
    if name == "UID":
        scanner.space()
        name, uid = scanner.word("the name of a command"), True
    table = _WITH_UID if uid else _COMMANDS
    if name not in table:
        raise BadCommand(f"{'UID ' if uid else ''}{name[:40]} is not a command of this server")
    request = table[name](scanner)
    scanner.end()
    return Command(tag, name, request, uid)


def _bare(scanner: Scanner) -> Request:
    return Bare()


def _login(scanner: Scanner) -> Request:
    scanner.space()
    user = scanner.astring("a user")
    scanner.space()
    return Login(user, scanner.astring("a password"))


def _authenticate(scanner: Scanner) -> Request:
    scanner.space()
    mechanism = scanner.word("a mechanism")
    if not scanner.skip(b" "):
        return Authenticate(mechanism, None)
    return Authenticate(mechanism, scanner.take(ASTRING | {ord("=")}, "an answer"))


def _id(scanner: Scanner) -> Request:
    scanner.space()
    if scanner.next_is(b"("):
        scanner.listed(scanner.nstring, empty=True)
    else:
        scanner.expect(b"NIL")
    return Bare()


def _enable(scanner: Scanner) -> Request:
    scanner.space()
    scanner.atom("an extension")
    while scanner.skip(b" "):
        scanner.atom("an extension")
    return Bare()


def _named(scanner: Scanner) -> Request:
    scanner.space()
    return Named(scan_name(scanner))


def _rename(scanner: Scanner) -> Request:
    scanner.space()
    name = scan_name(scanner)
    scanner.space()
    return Rename(name, scan_name(scanner))


def _listing(scanner: Scanner) -> Request:
    scanner.space()
    reference = scan_pattern(scanner)
    scanner.space()
    return Listing(reference, scan_pattern(scanner))


def _status(scanner: Scanner) -> Request:
    scanner.space()
    name = scan_name(scanner)
    scanner.space()
    items = scanner.listed(lambda: scanner.word("an item of STATUS"))
    for item in items:
        if item not in STATUS_ITEMS:
            raise BadCommand(f"{item[:40]} is no item of STATUS")
    return Status(name, tuple(dict.fromkeys(items)))


def _append(scanner: Scanner) -> Request:
    scanner.space()
    name = scan_name(scanner)
    scanner.space()
    flags: tuple[str, ...] = ()
    received: datetime | None = None
    if scanner.next_is(b"("):
        flags = _flags(scanner)
        scanner.space()
    if scanner.next_is(b'"'):
        received = scanner.date_time()
        scanner.space()
    return Append(name, flags, received, scanner.literal())


def _flags(scanner: Scanner) -> tuple[str, ...]:
    flags = scanner.listed(scanner.flag, empty=True)
    if len(flags) > FLAGS_LIMIT:
        raise BadCommand(f"a command has at most {FLAGS_LIMIT} flags")
    return tuple(flags)


def _fetch(scanner: Scanner) -> Request:
    scanner.space()
    numbers = scan_sequence(scanner)
    scanner.space()
    return Fetch(numbers, scan_items(scanner))


def _store(scanner: Scanner) -> Request:
    scanner.space()
    numbers = scan_sequence(scanner)
    scanner.space()
    plus, minus = scanner.skip(b"+"), scanner.skip(b"-")
    word = scanner.word("what to store")
    if word not in ("FLAGS", "FLAGS.SILENT") or (plus and minus):
        raise BadCommand("only FLAGS, +FLAGS and -FLAGS can be stored")
    scanner.space()
    if scanner.next_is(b"("):
        flags = _flags(scanner)
    else:
        flags = (scanner.flag(),)
        while scanner.skip(b" "):
            flags = (*flags, scanner.flag())
            if len(flags) > FLAGS_LIMIT:
                raise BadCommand(f"a command has at most {FLAGS_LIMIT} flags")
    return Store(numbers, "add" if plus else "remove" if minus else "replace", word == "FLAGS.SILENT", flags)


def _transfer(scanner: Scanner) -> Request:
    scanner.space()
    numbers = scan_sequence(scanner)
    scanner.space()
    return Transfer(numbers, scan_name(scanner))


def _expunge(scanner: Scanner) -> Request:
    return Expunge(None)


def _uid_expunge(scanner: Scanner) -> Request:
    scanner.space()
    return Expunge(scan_sequence(scanner))


def _search(scanner: Scanner) -> Request:
    scanner.space()
    returns = _returns(scanner)
    charset = None
    if scanner.skip(b"CHARSET "):
        charset = scanner.astring("a charset")
        scanner.space()
    return Search(scan_criteria(scanner, charset), returns)


def _returns(scanner: Scanner) -> tuple[str, ...] | None:
    if not scanner.skip(b"RETURN "):
        return None
    options = scanner.listed(lambda: scanner.word("an option of RETURN"), empty=True)
    for option in options:
        if option not in RETURNS:
            raise BadCommand(f"{option[:40]} is no option of RETURN here")
    scanner.space()
    return tuple(dict.fromkeys(options)) or ("ALL",)


def _sort(scanner: Scanner) -> Request:
    scanner.space()
    returns = _returns(scanner)
    keys: dict[str, bool] = {}
    for word, reverse in scanner.listed(lambda: _key(scanner)):
        keys.setdefault(word, reverse)  # where a key comes again, it decides nothing more
    scanner.space()
    charset = scanner.astring("a charset")
    scanner.space()
    return Search(scan_criteria(scanner, charset), returns, tuple(keys.items()))


def _key(scanner: Scanner) -> tuple[str, bool]:
    word, reverse = scanner.word("a sort key"), False
    if word == "REVERSE":
        scanner.space()
        word, reverse = scanner.word("a sort key"), True
    if word not in SORT_KEYS:
        raise BadCommand(f"{word[:40]} is no sort key")
    return word, reverse


def _thread(scanner: Scanner) -> Request:
    scanner.space()
    algorithm = scanner.word("a way of threading")
    if algorithm not in THREADINGS:
        raise BadCommand(f"{algorithm[:40]} is no way of threading; there are {' and '.join(THREADINGS)}")
    scanner.space()
    charset = scanner.astring("a charset")
    scanner.space()
    return Thread(algorithm, scan_criteria(scanner, charset))


_WITH_UID: dict[str, Callable[[Scanner], Request]] = {
    "COPY": _transfer,
    "EXPUNGE": _uid_expunge,
    "FETCH": _fetch,
    "MOVE": _transfer,
    "SEARCH": _search,
    "SORT": _sort,
    "STORE": _store,
    "THREAD": _thread,
}
_COMMANDS: dict[str, Callable[[Scanner], Request]] = {
    **_WITH_UID,
    **dict.fromkeys(("CAPABILITY", "NOOP", "LOGOUT", "STARTTLS", "NAMESPACE"), _bare),
    **dict.fromkeys(("IDLE", "CHECK", "CLOSE", "UNSELECT"), _bare),
    **dict.fromkeys(("SELECT", "EXAMINE", "CREATE", "DELETE", "SUBSCRIBE", "UNSUBSCRIBE"), _named),
    "APPEND": _append,
    "AUTHENTICATE": _authenticate,
    "ENABLE": _enable,
    "EXPUNGE": _expunge,
    "ID": _id,
    "LIST": _listing,
    "LOGIN": _login,
    "LSUB": _listing,
    "RENAME": _rename,
    "STATUS": _status,
}

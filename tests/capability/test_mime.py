import json
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrarium.capability.address import header_text, parse_address
from terrarium.capability.letter import compose, fields_of
from terrarium.capability.mime import completed, fields_of_message, parse, render
from terrarium.core.values import Blobs, encode

NOW = datetime(2030, 1, 7, 9, tzinfo=UTC)


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path)


def row(
    blobs: Blobs, sender: str = "Ann <ann@x>", to: Any = "bob@x", subject: str = "Hi", body: str = "text", **parts: Any
) -> Any:
    letter = compose(parse_address(sender), to, subject, body, **parts)
    return fields_of(letter, blobs, number=1, by="task", now=NOW, references=letter.references)


def test_a_plain_letter(blobs: Blobs) -> None:
    assert render("<1@x>", row(blobs, subject="Q3", body="Numbers?\n.dot"), blobs) == (
        b"Message-ID: <1@x>\r\nDate: Mon, 07 Jan 2030 09:00:00 +0000\r\nFrom: Ann <ann@x>\r\nTo: bob@x\r\n"
        b"Subject: Q3\r\n"
        b'MIME-Version: 1.0\r\nContent-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: 7bit\r\n\r\n'
        b"Numbers?\r\n.dot\r\n"
    )


def test_other_readers_read_what_is_rendered(blobs: Blobs) -> None:
    fields = row(
        blobs,
        '"Böss, The" <boss@x>',
        [f"Müller {n} <m{n}@x>" for n in range(40)],
        "Grüße ✓ " * 30,
        "größe\n" + "x" * 3000,
        cc="Zoë <z@x>",
        bcc="eve@x",
        html="<b>größe</b>",
        attachments=[("ä" * 60 + ".csv", b"a,b"), ('q"u\\o.bin', bytes(range(256))), ("%41.txt", b"")],
        headers={"Reply-To": "Änn <a@x>", "X-Note": "ü"},
        in_reply_to="<0@x>",
    )
    raw = render("<1@x>", fields, blobs)
    assert raw == render("<1@x>", fields, blobs)
    assert raw.isascii()
    assert raw.count(b"\r\n") == raw.count(b"\n")
    assert max(map(len, raw.split(b"\r\n"))) <= 990
    seen: Any = message_from_bytes(raw, policy=policy.default)
    assert not seen.defects
    assert seen["from"].addresses[0].display_name == "Böss, The"
    assert [address.addr_spec for address in seen["to"].addresses] == [f"m{n}@x" for n in range(40)]
    assert seen["to"].addresses[7].display_name == "Müller 7"
    assert seen["subject"].split() == ("Grüße ✓ " * 30).split()
    assert seen["in-reply-to"] == "<0@x>"
    assert (seen["x-note"], seen["bcc"]) == ("ü", None)
    assert seen.get_body(("plain",)).get_content().splitlines() == ["größe", "x" * 3000]
    assert seen.get_body(("html",)).get_content() == "<b>größe</b>\r\n"
    files = [(part.get_filename(), part.get_content()) for part in seen.iter_attachments()]
    assert files[1:] == [('q"u\\o.bin', bytes(range(256))), ("%41.txt", "")]
    assert files[0][0] == "ä" * 60 + ".csv"
    assert message_from_bytes(render("<1@x>", fields, blobs, bcc=True), policy=policy.default)["bcc"] == "eve@x"


def test_we_read_what_other_writers_write(blobs: Blobs) -> None:
    written = EmailMessage(policy=policy.SMTP)
    written["From"] = '"Jörg, A" <j@x>'
    written["To"] = 'Ann <ann@x>, "Team" <t@x>'
    written["Subject"] = "Hällo " * 7
    written["Date"] = "Mon, 24 Dec 2029 18:30:00 +0100"
    written["Message-ID"] = "<abc@x>"
    written["In-Reply-To"] = "<p@x>"
    written["References"] = "<o@x> <p@x>"
    written["X-Mailer"] = "some client"
    written.set_content("hello ü\n", cte="base64")
    written.add_alternative("<b>ü</b>", subtype="html", cte="quoted-printable")
    written.add_attachment(b"\xff" * 300, maintype="application", subtype="pdf", filename="größe.pdf")
    written.add_attachment("a;b\n", subtype="csv", filename="a.csv")
    inner = EmailMessage()
    inner["Subject"] = "inner"
    inner.set_content("inside")
    written.add_attachment(inner)
    seen = parse(written.as_bytes())
    assert (seen.message_id, seen.in_reply_to, seen.references) == ("<abc@x>", "<p@x>", ("<o@x>", "<p@x>"))
    assert (seen.sender, seen.to) == ('"Jörg, A" <j@x>', "Ann <ann@x>, Team <t@x>")
    assert seen.subject.split() == ["Hällo"] * 7
    assert seen.date is not None
    assert seen.date.isoformat() == "2029-12-24T18:30:00+01:00"
    assert (seen.body, seen.html) == ("hello ü\n", "<b>ü</b>\n")
    names = [name for name, _ in seen.attachments]
    assert names[:2] == ["größe.pdf", "a.csv"]
    assert names[2].endswith(".eml")
    assert seen.attachments[0][1] == b"\xff" * 300
    assert b"Subject: inner" in seen.attachments[2][1]
    assert seen.headers == {"X-Mailer": "some client"}


@given(
    subject=st.text(st.characters(exclude_categories=["Cs"]), max_size=120),
    name=st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    body=st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
    html=st.none() | st.text(max_size=50),
    file=st.none() | st.tuples(st.text(min_size=1, max_size=90), st.binary(max_size=200)),
)
def test_what_is_rendered_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, subject: str, name: str, body: str, html: str | None, file: Any
) -> None:
    blobs = Blobs(tmp_path_factory.getbasetemp() / "blobs")
    try:
        header_text("", subject + name + (file[0] if file else ""))
        address = parse_address(
            str(parse_address(f'"{name}" <a@x>' if '"' not in name and "\\" not in name else "a@x"))
        )
    except Exception:
        return  # not a letter
    fields = row(blobs, str(address), "b@x", subject, body, html=html, attachments=[file] if file else None)
    seen = parse(render("<1@x>", fields, blobs))
    assert seen.subject.split() == subject.split()
    assert seen.author is not None
    assert (seen.author.spec, seen.author.name.split()) == (address.spec, address.name.split())
    assert seen.body == fields["body"] or seen.body == fields["body"] + "\n"
    if html is not None:
        assert seen.html in (fields["html"], fields["html"] + "\n")
    if file:
        [(filename, data)] = seen.attachments
        assert data == file[1]
        assert filename == (" ".join(file[0].split()) or filename)


JUNK = [
    b"",
    b"hello",
    b"\r\n.\r\n",
    bytes(range(256)) * 20,
    b"Subject\r\n: x\r\n\r\nbody",
    b"From: \r\nTo: ,,,;\r\nDate: never\r\nMessage-ID: <a b>\r\n\r\n",
    b"Message-ID: <1@x>\r\nMessage-ID: <2@x>\r\nSubject: a\r\nSubject: b\r\n\r\n",
    b"Content-Type: multipart/mixed\r\n\r\nno boundary",
    b"Content-Type: multipart/mixed; boundary=\r\n\r\n--\r\n",
    b"Content-Type: text/html; charset=klingon\r\n\r\n<b>\xe9</b>",
    b"Content-Type: ;;;=;\r\nContent-Transfer-Encoding: \xff\r\n\r\nx",
    b"Content-Disposition: attachment; filename*=x''%zz%00%0a\r\n\r\nx",
    b'Content-Type: application/octet-stream; name="a\x00\x07b"\r\n\r\nx',
]


def _stored(raw: bytes, blobs: Blobs) -> dict[str, Any]:
    fields = fields_of_message(parse(raw), raw, blobs, number=1, by="agent", now=NOW, sender="a@x", recipients=["b@x"])
    assert json.dumps(encode(fields)).isascii()
    for name in ("from", "to", "cc", "subject"):
        header_text(name, fields[name])
    for entry in fields.get("attachments", ()):
        assert 0 < len(header_text("a file", entry["filename"])) <= 255
    assert render("<1@x>", fields, blobs) == raw
    return fields


@pytest.mark.parametrize("raw", JUNK)
def test_junk_is_read_and_kept_as_it_is(blobs: Blobs, raw: bytes) -> None:
    _stored(raw, blobs)


@given(st.lists(st.one_of(st.sampled_from(JUNK), st.binary(max_size=30)), max_size=5).map(b"\r\n".join))
def test_any_bytes_are_a_letter(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    _stored(raw, Blobs(tmp_path_factory.getbasetemp() / "blobs"))


def test_the_first_of_two_equal_headers_counts() -> None:
    seen = parse(JUNK[6])
    assert (seen.message_id, seen.subject) == ("<1@x>", "a")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"Subject: a\r\n\r\nb", b"Message-ID: <1@x>\r\nDate: Mon, 07 Jan 2030 09:00:00 +0000\r\nSubject: a\r\n\r\nb"),
        (b"no headers", b"Message-ID: <1@x>\r\nDate: Mon, 07 Jan 2030 09:00:00 +0000\r\n\r\nno headers"),
        (b"\r\nbody", b"Message-ID: <1@x>\r\nDate: Mon, 07 Jan 2030 09:00:00 +0000\r\n\r\nbody"),
        (b"message-id: <2@x>\r\nDATE: x\r\n\r\n", b"message-id: <2@x>\r\nDATE: x\r\n\r\n"),
    ],
)
def test_missing_headers_are_put_in_front(raw: bytes, expected: bytes) -> None:
    assert completed(raw, "<1@x>", NOW) == expected


BOMBS = {
    "quotes": b"To: " + b'"\\' * 500_000,
    "comments": b"To: " + b"(\\" * 500_000,
    "words": b"Subject: " + b"=?a?q?" * 300_000,
    "parameters": b"Content-Type: a/b" + b';a="\\"' * 300_000,
    "nested": b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n" * 300_000,
    "messages": b"Content-Type: message/rfc822\r\n\r\n" * 500_000,
    "parts": b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"--a\r\nContent-Type: x;" * 1_000_000,
    "headers": b"X: 1\n" * 4_000_000,
    "folds": b"X: 1\n" + b" \n" * 8_000_000,
    "lines": b"\r\n" * 12_000_000,
    "base64": b"Content-Transfer-Encoding: base64\r\n\r\n" + b"QUJD\r\n" * 4_000_000,
    "escapes": b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=" * 25_000_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_takes_time_in_proportion_to_its_size(name: str) -> None:
    """No assertion on seconds: what is not linear runs into the time limit of the tests."""
    parse(BOMBS[name])


def test_25_megabytes(blobs: Blobs) -> None:
    data = bytes(range(256)) * 4096 * 18
    fields = row(blobs, attachments=[("big.bin", data)])
    seen = parse(render("<1@x>", fields, blobs))
    assert seen.attachments == (("big.bin", data),)

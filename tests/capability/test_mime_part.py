import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrarium.capability.mime_part import DEPTH_LIMIT, PARTS_LIMIT, Part, part_of

MIXED = b"""Subject: two\r
Content-Type: multipart/mixed;\r
 boundary="b 1"\r
\r
preamble\r
--b 1\r
Content-Type: text/plain; charset=iso-8859-1\r
Content-Transfer-Encoding: quoted-printable\r
\r
gr=FCn=\r
 and blue\r
--b 1  \r
Content-Type: message/rfc822\r
\r
Subject: inner\r
\r
--b 1 is no delimiter here\r
--b 1\r
\r
no headers\r
--b 1--\r
epilogue\r
--b 1\r
not a part\r
"""


def test_a_multipart_is_taken_apart_and_every_part_is_a_slice() -> None:
    whole = part_of(MIXED)
    text, message, bare = whole.parts
    assert (whole.content_type, whole.parameters) == ("multipart/mixed", {"boundary": "b 1"})
    assert (text.text(), text.encoding) == ("grün and blue", "quoted-printable")
    assert message.parts[0].first("SUBJECT") == b"inner"
    assert message.parts[0].body == b"--b 1 is no delimiter here"
    assert (bare.header, bare.body) == (b"\r\n", b"no headers")
    assert whole.header + whole.body == MIXED
    assert [leaf.content_type for leaf in whole.leaves()] == ["text/plain", "message/rfc822", "text/plain"]


def test_a_multipart_cut_short_keeps_what_came() -> None:
    whole = part_of(b"Content-Type: multipart/mixed; boundary=x\n\n--x\n\none\n--x\n\ntwo, and then the li")
    assert [part.body for part in whole.parts] == [b"one", b"two, and then the li"]


@pytest.mark.parametrize(
    ("raw", "header", "body"),
    [
        (b"", b"", b""),
        (b"\r\nbody", b"\r\n", b"body"),
        (b"\nbody", b"\n", b"body"),
        (b"no header at all", b"", b"no header at all"),
        (b"\x00\xff junk\r\n\r\nmore", b"", b"\x00\xff junk\r\n\r\nmore"),
        (b"A: b", b"A: b", b""),
        (b"A: b\r\n\r\n", b"A: b\r\n\r\n", b""),
        (b"A: b\n\nbody\n\nmore", b"A: b\n\n", b"body\n\nmore"),
        (b"From ann Mon Jan 7\nA: b\n\nbody", b"From ann Mon Jan 7\nA: b\n\n", b"body"),
    ],
)
def test_where_headers_end(raw: bytes, header: bytes, body: bytes) -> None:
    part = part_of(raw)
    assert (part.header, part.body, part.size) == (header, body, len(body))


def test_headers_as_written() -> None:
    part = part_of(b"A : one\r\nnot a header\r\n\tfolded junk\r\na: two\r\nB:\r\n folded\r\n\r\nC: body")
    assert part.fields == (("A", b"one"), ("a", b"two"), ("B", b"folded"))
    assert part.first("a") == b"one"
    assert part.first("c") is None


@pytest.mark.parametrize(
    ("encoding", "body", "content"),
    [
        ("base64", b"aGVs\r\nbG8=\r\n", b"hello"),
        ("BASE64", b"aGVsbG8", b"hello"),
        ("base64", b"a!G#V$sbG8=\r\n-- \r\nfooter", b"hello"),
        ("base64", b"a", b""),
        ("base64", b"", b""),
        ("quoted-printable", b"=C3=BC=\r\nx=ZZ", b"\xc3\xbcx=ZZ"),
        ("8bit", b"\xff", b"\xff"),
        ("x-unheard-of", b"as is", b"as is"),
    ],
)
def test_transfer_encodings(encoding: str, body: bytes, content: bytes) -> None:
    assert part_of(f"Content-Transfer-Encoding: {encoding}\r\n\r\n".encode() + body).content() == content


def test_depth_and_number_of_parts_are_limited() -> None:
    nested = b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n" * 5000
    part, depth = part_of(nested), 0
    while part.parts:
        part, depth = part.parts[0], depth + 1
    assert depth <= DEPTH_LIMIT
    assert len(part_of(b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\nx\n" * 5000).parts) == PARTS_LIMIT
    assert sum(1 for _ in part_of(b"Content-Type: message/rfc822\r\n\r\n" * 5000).leaves()) == 1


_PIECES = st.sampled_from(
    [
        *(b"\r\n", b"\n", b"\r", b"--a", b"--", b"Content-Type: ", b"multipart/mixed; boundary=a", b"text/plain"),
        *(
            b"message/rfc822",
            b"Content-Transfer-Encoding: base64",
            base64.b64encode(b"x" * 40),
            b"=",
            b'"',
            b":",
            b"\xff",
        ),
    ]
)


@given(st.lists(st.one_of(_PIECES, st.binary(max_size=4)), max_size=60).map(b"".join))
def test_any_bytes_have_a_structure(raw: bytes) -> None:
    def check(part: Part, start: int, end: int) -> None:
        assert start <= part.start <= part.body_start <= part.end <= end
        part.content()
        part.text().encode()
        assert len(part.fields) < 100
        for inner in part.parts:
            check(inner, part.body_start, part.end)

    whole = part_of(raw)
    check(whole, 0, len(raw))
    assert whole.header + whole.body == raw
    assert sum(1 for _ in whole.leaves()) >= (0 if whole.parts else 1)

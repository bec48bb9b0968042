from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrarium.capability.mime_text import (
    addresses,
    decoded,
    header_value,
    moment,
    parameters,
    unfolded,
    words_decoded,
    words_encoded,
)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"plain", "plain"),
        (b"=?utf-8?q?Gr=C3=BC=C3=9Fe?= an =?iso-8859-1?B?9g==?=", "Grüße an ö"),
        (b"=?utf-8?b?R3LDvA==?=\r\n =?utf-8?b?w59l?=", "Grüße"),
        (b"=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        (b"=?utf-8?q?a?=\r\n\t=?utf-8?q?b?= c", "ab c"),
        (b"=?UTF-8*de?Q?gr=C3=BCn?=", "grün"),
        (b"=?nonsense?q?gr=C3=BCn?=", "grün"),
        (b"=?utf-8?b?!!!?=", ""),
        (b"=?utf-8?b?YQ=", "=?utf-8?b?YQ="),
        (b"gr\xc3\xbcn", "grün"),
        (b"gr\xfcn", "grün"),
        (b"a\r\n b\r\n\tc", "a b\tc"),
        (b"=?utf-8?q?a=0Ab=00c?=", "a b c"),
        (b"=?idna?q?a?= =?unicode_escape?q?=5Cud800?=", "a\\ud800"),
    ],
)
def test_header_values(raw: bytes, text: str) -> None:
    assert header_value(raw) == text


@pytest.mark.parametrize(
    ("charset", "data", "text"),
    [
        ("iso-8859-1", b"\xfc", "ü"),
        ("UTF-16", "ü".encode("utf-16"), "ü"),
        ("koi8-r", "Привет".encode("koi8-r"), "Привет"),
        ("gb2312", "你好".encode("gb2312"), "你好"),
        ("us-ascii", "ü".encode(), "ü"),
        ("us-ascii", b"\x93hi\x94", "“hi”"),
        ("utf-8", b"\xff", "ÿ"),
        ("no such thing", b"a", "a"),
        ("hex", b"6161", "6161"),
        ("../../etc/passwd", b"a", "a"),
        ("utf-7", b"+2AA-", "+2AA-"),
        ("", "ü".encode(), "ü"),
    ],
)
def test_charsets(charset: str, data: bytes, text: str) -> None:
    assert decoded(data, charset) == text


@given(
    st.binary(max_size=300),
    st.one_of(st.sampled_from(["utf-8", "iso-2022-jp", "utf-16", "idna"]), st.text(max_size=20)),
)
def test_any_bytes_are_some_text(data: bytes, charset: str) -> None:
    for text in (decoded(data, charset), header_value(data), unfolded(data), addresses(data)[0]):
        text.encode()
    moment(data)
    parameters(data)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=400))
def test_encoded_words_are_read_back(text: str) -> None:
    written = words_encoded(text)
    assert written.isascii()
    assert max(map(len, written.split(" "))) < 900
    assert words_decoded(written).split() == text.split() or words_decoded(written) == text.strip()


@pytest.mark.parametrize(
    ("raw", "word", "given"),
    [
        (b'Text/Plain; charset="utf-8"; format=flowed', "text/plain", {"charset": "utf-8", "format": "flowed"}),
        (b"a/b;name*=utf-8'de'%C3%A4.txt", "a/b", {"name": "ä.txt"}),
        (b"a/b; name*1*=%A4b; name*0*=utf-8''%C3; name*2=.txt", "a/b", {"name": "äb.txt"}),
        (b'a/b; name="=?utf-8?q?=C3=A4?="', "a/b", {"name": "ä"}),
        (b'a/b; name="q\\"u;o"; x=y', "a/b", {"name": 'q"u;o', "x": "y"}),
        (b'a/b; name="open', "a/b", {"name": '"open'}),
        (b"a/b; name=one; name=two;;=;x", "a/b", {"name": "one"}),
        (b"", "", {}),
    ],
)
def test_parameters(raw: bytes, word: str, given: dict[str, str]) -> None:
    assert parameters(raw) == (word, given)


@pytest.mark.parametrize(
    ("raw", "text", "keys"),
    [
        (b"ann@x", "ann@x", ["ann@x"]),
        (b'"Lee, Ann" <Ann@X>, bob@x', '"Lee, Ann" <Ann@X>, bob@x', ["ann@x", "bob@x"]),
        (b"=?utf-8?q?Lee=2C_=C3=84nn?= <ann@x>", '"Lee, Änn" <ann@x>', ["ann@x"]),
        (b"ann@x (Ann), (who?) Bob <bob@x>", "ann@x, Bob <bob@x>", ["ann@x", "bob@x"]),
        (b"Team: ann@x, Bob <bob@x>;, eve@x", "ann@x, Bob <bob@x>, eve@x", ["ann@x", "bob@x", "eve@x"]),
        (b"undisclosed-recipients:;", "undisclosed-recipients:;", []),
        (b"ann@x, nonsense", "ann@x, nonsense", ["ann@x"]),
        (b"<ann@x>;;,,", "ann@x", ["ann@x"]),
        (b"", "", []),
    ],
)
def test_addresses(raw: bytes, text: str, keys: list[str]) -> None:
    shown, found = addresses(raw)
    assert (shown, [address.key for address in found]) == (text, keys)


@pytest.mark.parametrize(
    ("raw", "when"),
    [
        (b"Mon, 24 Dec 2029 18:30:00 +0100", datetime(2029, 12, 24, 18, 30, tzinfo=timezone(timedelta(hours=1)))),
        (b"24 Dec 2029 18:30 GMT (a comment)", datetime(2029, 12, 24, 18, 30, tzinfo=UTC)),
        (b"24 Dec 2029 18:30:00 -0000", datetime(2029, 12, 24, 18, 30, tzinfo=UTC)),
        (b"yesterday", None),
        (b"32 Foo 2029 99:99:99 +9999", None),
        (b"1 Jan 1850 00:00:00 +0000", None),
        (b"Mon, 24 Dec 99999 18:30:00 +0100", None),
        (b"\xff\xfe", None),
        (b"", None),
    ],
)
def test_moments(raw: bytes, when: datetime | None) -> None:
    assert moment(raw) == when

"""The commands of the memory sandbox, as the real ones behave."""

from pathlib import Path

import pytest
from memory_box import Box


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path / "box")


FRUIT = b"pear 3\napple 10\nfig 2\napple 10\n"


@pytest.mark.parametrize(
    ("line", "out"),
    [
        ("echo -n a; echo -e 'b\\tc\\x'; echo -E 'a\\n'; echo -- -n", "ab\tc\\x\na\\n\n-- -n\n"),
        ("printf 'a\\n'; printf '%s=%3d|' x 1 y; printf '%-3s|%03d|%x|%%\\n' a 7 255", "a\nx=  1|y=  0|a  |007|ff|%\n"),
        ("printf '%s\\n'; printf -- '-%c%.2s\\n' abc defg", "\n-ade\n"),
        ("printf '\\303\\251\\n'", "é\n"),
        ("cat fruit | head -n 1; head -2 fruit | tail -n 1; tail -n +4 fruit", "pear 3\napple 10\napple 10\n"),
        ("head -n -3 fruit; tail -n 1 fruit; head -c 4 fruit; tail -c 3 fruit", "pear 3\napple 10\npear10\n"),
        ("head -n 1 fruit a; tail -n 0 a", "==> fruit <==\npear 3\n\n==> a <==\n1\n"),
        ("wc fruit; wc -l fruit a; wc -w < a; wc -c < a", " 4  8 31 fruit\n 4 fruit\n 1 a\n 5 total\n1\n2\n"),
        ("sort fruit", "apple 10\napple 10\nfig 2\npear 3\n"),
        ("sort -ru fruit; printf '10\\n9\\n-1\\nx\\n1.5\\n' | sort -n", "pear 3\nfig 2\napple 10\n-1\nx\n1.5\n9\n10\n"),
        (
            "sort fruit | uniq -c; printf 'a\\na\\nb\\na' | uniq",
            "      2 apple 10\n      1 fig 2\n      1 pear 3\na\nb\na\n",
        ),
        ("cut -d ' ' -f 2 fruit | head -n 2; echo a:b:c:d | cut -d: -f1,3-", "3\n10\na:c:d\n"),
        ("echo nothing | cut -f 2; printf 'a\\tb\\n' | cut -f2; echo a:b:c | cut -d: -f-2", "nothing\nb\na:b\n"),
        (
            "echo hello | tr a-y b-z; echo hello | tr -d l; echo aabb | tr -s a; echo abc | tr abc x",
            "ifmmp\nheo\nabb\nxxx\n",
        ),
        ("echo 'a b' | tr ' ' '\\n'; echo Ab | tr '[:lower:]' '[:upper:]'", "a\nb\nAB\n"),
        ("echo a-b-c | sed 's/-/+/'; echo a-b-c | sed s/-/+/g; echo AbA | sed 's/a/x/gi'", "a+b-c\na+b+c\nxbx\n"),
        (
            "echo /a/b | sed 's|/a|[&]|'; echo a/b | sed 's/\\//\\&/'; echo ab | sed -E 's/(a)(b)/\\2\\n\\1/'",
            "[/a]/b\na&b\nb\na\n",
        ),
        ("echo ab | sed -e s/a/b/ -e s/b/c/g; printf 'no newline' | sed s/no/a/", "cc\na newline"),
        ("echo x | tee t1 t2; echo y | tee -a t1; cat t1 t2", "x\ny\nx\ny\nx\n"),
        (
            "grep apple fruit; grep -c apple fruit; grep -n fig fruit a; grep -v -i APPLE fruit",
            "apple 10\napple 10\n2\nfruit:3:fig 2\npear 3\nfig 2\n",
        ),
        (
            "grep -E '^(fig|pear) [0-9]+$' fruit; grep '^f\\(i\\)g\\|^x' fruit; grep -F 1. fruit || echo none",
            "pear 3\nfig 2\nfig 2\nnone\n",
        ),
        (
            "grep -rn b d; cd d; grep -r b; grep -rl b .; grep -h b 1 sub/2; grep -q b 1 && echo yes",
            "d/1:1:b\nd/sub/2:1:b\n1:b\nsub/2:b\n./1\n./sub/2\nb\nb\nyes\n",
        ),
        (
            "grep -e fig -e pear fruit | wc -l; grep 'a*' a; grep '*' a; grep -E 'x{0,1}1' a; grep '[]x1-3]' a",
            "2\n1\n1\n1\n",
        ),
        (
            "grep '[[:digit:]]\\{2\\}' fruit; grep -E '\\bap+le\\b' fruit | head -1; grep 'a\\.c' fruit || echo no",
            "apple 10\napple 10\napple 10\nno\n",
        ),
        (
            "find d; find d -type f -name '*'; find . -name sub -type d; find d/1",
            "d\nd/1\nd/sub\nd/sub/2\nd/1\nd/sub/2\n./d/sub\nd/1\n",
        ),
        ("find /root/d/ -type f; cd d; find -name '?'", "/root/d/1\n/root/d/sub/2\n.\n./1\n./sub/2\n"),
        ("ls; ls d a; ls -1 d; ls -a d", "a\nd\nfruit\na\n\nd:\n1\nsub\n1\nsub\n.\n..\n1\nsub\n"),
        ("mkdir x && touch x/y && rm x/y && rmdir x && ls -d 2>/dev/null || ls", "a\nd\nfruit\n"),
        (
            "cp a b; cp a b d; ls d; cp -r d e; ls e; cp -r d e; ls e/d; mv e/d/1 e/one; cat e/one",
            "1\na\nb\nsub\n1\na\nb\nsub\n1\na\nb\nsub\nb\n",
        ),
        ("mv a d; mv d/a d/z; cat d/z; mv d/z d/1 /tmp; ls /tmp; mv d q; ls q", "1\n1\nz\nsub\n"),
        ("rm -f nope; rm -rf d a; ls; rm -f", "fruit\n"),
        (
            "test -f a && [ -d d ] && [ ! -e nope ] && test -s a && [ -z '' ] && [ -n x ] && [ a = a ] && echo all",
            "all\n",
        ),
        ("[ a != a ] || [ 2 -gt 10 ] || [ -f d ] || test '' || test || [ -s nope ] || echo none", "none\n"),
        (
            "chmod 640 a; ls -l a; chmod u+x,g a 2>/dev/null; chmod a+x a; chmod go-rw a; ls -l a",
            "-rw-r----- 1 root root 2 2030-01-07 09:00 a\n-rwx--x--x 1 root root 2 2030-01-07 09:00 a\n",
        ),
        (
            "sed -i s/1/one/ a; cat a; echo a | sha256sum",
            "one\n87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7  -\n",
        ),
    ],
)
def test_commands(box: Box, line: str, out: str) -> None:
    for path, content in {"fruit": FRUIT, "a": b"1\n", "d/1": b"b\n", "d/sub/2": b"b\n"}.items():
        box.write(f"/root/{path}", content)
    assert box.sh(line).stdout == out


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("cat nope d", 1, "cat: nope: No such file or directory\ncat: d: Is a directory\n"),
        ("ls nope", 2, "ls: nope: No such file or directory"),
        ("ls -Z", 2, "unknown option '-Z'; in the memory sandbox it knows: -l -a -1 -t"),
        ("head -n x a", 2, "takes a number"),
        ("head -n", 2, "needs a value"),
        ("mkdir d", 1, "File exists"),
        ("mkdir x/y", 1, "No such file"),
        ("mkdir -p a/b", 1, "Not a directory"),
        ("mkdir", 2, "missing operand"),
        ("rmdir d", 1, "not empty"),
        ("rmdir a", 1, "Not a directory"),
        ("rm d", 1, "Is a directory"),
        ("rm nope", 1, "No such file"),
        ("touch x/y", 1, "No such file"),
        ("cp d e", 1, "use -r"),
        ("cp -r d d/sub/x", 1, "cannot be put into itself"),
        ("cp a a", 1, "same file"),
        ("cp a b c", 1, "Not a directory"),
        ("cp a x/y", 1, "No such file"),
        ("cp -r d a", 1, "Not a directory"),
        ("mv d d/sub", 1, "cannot be put into itself"),
        ("mv nope x", 1, "No such file"),
        ("cd a", 1, "Not a directory"),
        ("grep x nope", 2, "No such file"),
        ("grep '[' a", 2, "not closed"),
        ("grep '\\(' a", 2, "not closed"),
        ("grep -E 'a)' a", 2, "not open"),
        ("grep -E '*a' a", 2, "nothing to repeat"),
        ("grep -E '(a+)+' a", 2, "for ever"),
        ("grep -E 'a**' a", 2, "for ever"),
        ("grep '\\(a\\)\\1' a", 2, "back-references"),
        ("grep -E 'a{2,1}' a", 2, "bad pattern"),
        ("grep -E 'a{1,9999}' a", 2, "interval"),
        ("grep -E '[z-a]' a", 2, "bad pattern"),
        ("grep '[[:nope:]]' a", 2, "no character class"),
        ("grep 'x\\' a", 2, "backslash"),
        ("grep " + "x" * 1001 + " a", 2, "1000 characters"),
        ("grep -E '" + "(" * 400 + "' a", 2, "nested"),
        ("grep", 2, "missing operand"),
        ("sed p a", 2, "knows only s"),
        ("sed s/a/b a", 2, "s needs three"),
        ("sed s/a/b/q a", 2, "unknown flags"),
        ("sed 's/a/\\1/' a", 2, "group"),
        ("sed", 2, "missing operand"),
        ("tr a", 2, "knows: tr"),
        ("tr z-a b < a", 2, "backwards"),
        ("tr a '' < a", 2, "empty"),
        ("cut -f 0 a", 2, "no list of fields"),
        ("cut -f a a", 2, "no list of fields"),
        ("cut a", 2, "knows: cut"),
        ("printf '%9999d' 1", 2, "a format knows"),
        ("printf '%d' x", 1, "whole number"),
        ("printf", 2, "missing operand"),
        ("find -size 1", 1, "unknown predicate"),
        ("find nope", 1, "No such file"),
        ("find . -newer nope", 1, "No such file"),
        ("find . -type x", 1, "f or d"),
        ("[ a", 2, "missing ']'"),
        ("test a -eq b", 2, "whole numbers"),
        ("test -q a", 2, "unknown test"),
        ("test a b c d", 2, "one test at a time"),
        ("chmod 999 a", 2, "no mode"),
        ("chmod 644 nope", 1, "No such file"),
        ("date +%Q", 1, "unknown field"),
        ("date -d yesterday", 1, "knows: date"),
        ("sha256sum d nope", 1, "Is a directory"),
        ("uniq a a", 2, "knows: uniq"),
        ("cd a b", 1, "too many"),
    ],
)
def test_commands_that_fail_say_why(box: Box, line: str, code: int, says: str) -> None:
    for path in ("a", "d/sub/2"):
        box.write(f"/root/{path}", b"1\n")
    rows = box.rows()
    result = box.sh(line)
    assert result.exit_code == code
    assert says in result.stderr
    assert box.rows() == rows


def test_binary_files_are_not_printed_by_grep(box: Box) -> None:
    box.write("/root/b", b"a\0match\n")
    assert box.out("grep match b") == "Binary file b matches\n"


def test_no_command_raises_whatever_it_is_given(box: Box) -> None:
    """Every command, with words that look like options, files, patterns and nonsense."""
    box.write("/root/f", b"one\ntwo\xff\n")
    words = ["f", "-", "--", "-n", "-e", "", "/", "..", "*", "[", "\\", "%", "a/b", "s/a/b/", "é" * 300, "9" * 5000]
    known = box.sh("nope").stderr.partition("knows: ")[2].split()
    for name in known:
        for first in words:
            for second in words:
                result = box.sh([name, first, second], stdin=b"in\n")
                assert 0 <= result.exit_code <= 127
        assert box.sh([name]).exit_code in (0, 1, 2)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("command", ["grep '{}' f", "sed 's/{}/x/' f", "grep -E '{}' f"])
def test_a_pattern_that_could_take_for_ever_on_a_line_is_refused_there_and_only_there(box: Box, command: str) -> None:
    many = "a*" * 8 + "b"
    box.write("/root/f", b"a" * 4000 + b"\n")
    refused = box.sh(command.format(many))
    assert refused.exit_code == 2
    assert "8 repeats can take for ever on a line of 4000 characters" in refused.stderr
    assert box.sh(command.format("a.*b")).exit_code in (0, 1)
    box.write("/root/f", b"aaaab\n")
    assert box.out(command.format(many)) in ("aaaab\n", "x\n")
    box.write("/root/f", b"a" * 1200 + b"c\n")
    assert box.sh(command.format("a*a*b")).exit_code in (0, 1), "the worst that is still tried"

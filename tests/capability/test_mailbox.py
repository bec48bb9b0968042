from pathlib import Path

import pytest
from mail_site import MailSite

from terrarium.capability.mailbox import FLAGS_LIMIT, FOLDERS_LIMIT, STANDARD, Copy, FolderState, Mailboxes, flag_named
from terrarium.core.errors import NotFound, Refused

ANN = "ann@corp.example"


@pytest.fixture
def mailboxes(tmp_path: Path) -> Mailboxes:
    site = MailSite(tmp_path).site
    return Mailboxes(site, site.rows())


def test_uids_rise_and_are_never_used_again(mailboxes: Mailboxes) -> None:
    first, second = mailboxes.put(ANN, "INBOX", "<1@x>"), mailboxes.put(ANN, "INBOX", "<2@x>")
    mailboxes.remove(second)
    third = mailboxes.put(ANN, "INBOX", "<3@x>")
    assert [first.uid, second.uid, third.uid] == [1, 2, 3]
    assert [copy.uid for copy in mailboxes.copies(ANN, "INBOX")] == [1, 3]
    assert mailboxes.state(ANN, "INBOX").uidnext == 4


def test_a_standard_folder_keeps_its_uidvalidity_when_it_fills(mailboxes: Mailboxes) -> None:
    mailboxes.ensure(ANN)
    empty = mailboxes.state(ANN, "Trash")
    mailboxes.create_folder(ANN, "Clients")
    mailboxes.put(ANN, "Trash", "<1@x>")
    assert mailboxes.state(ANN, "Trash") == FolderState(empty.uidvalidity, 2)
    assert mailboxes.state(ANN, "Clients") == FolderState(empty.uidvalidity + 1, 1)
    assert 0 < empty.uidvalidity < 2**32 - 1000
    with pytest.raises(NotFound):
        mailboxes.state("bob@x", "INBOX")


def test_a_move_keeps_flags_and_arrival(mailboxes: Mailboxes) -> None:
    mailboxes.put(ANN, "Archive", "<0@x>")
    copy = mailboxes.flag(mailboxes.put(ANN, "INBOX", "<1@x>"), add=["\\flagged", "$Work"])
    moved = mailboxes.move(copy, "Archive")
    assert moved == Copy(ANN, "Archive", 2, "<1@x>", ("$Work", "\\Flagged"), copy.received)
    assert list(mailboxes.copies(ANN, "INBOX")) == []
    assert mailboxes.move(moved, "Archive") == moved


def test_folders_in_folders_do_not_mix(mailboxes: Mailboxes) -> None:
    mailboxes.create_folder(ANN, "Clients")
    mailboxes.create_folder(ANN, "Clients/Acme")
    mailboxes.create_folder(ANN, "INBOX/Später")
    copies = [mailboxes.put(ANN, folder, "<1@x>") for folder in ("Clients", "Clients/Acme", "INBOX/Später", "INBOX")]
    for copy in copies:
        assert list(mailboxes.copies(ANN, copy.folder)) == [copy]
        assert mailboxes.get(ANN, copy.folder, 1) == copy
    assert mailboxes.folders(ANN) == [*STANDARD, "Clients", "Clients/Acme", "INBOX/Später"]
    assert mailboxes.folder(ANN, "clients/ACME") == "Clients/Acme"


def test_addresses_that_begin_alike_do_not_mix(mailboxes: Mailboxes) -> None:
    for address in ("a@x", "a@x.example", "a/b@x", "ba@x"):
        mailboxes.put(address, "INBOX", f"<{len(address)}@x>")
        mailboxes.create_folder(address, f"of {address}".replace("/", "-"))
    assert [copy.address for copy in mailboxes.copies("a@x")] == ["a@x"]
    assert mailboxes.folders("a@x")[-1] == "of a@x"
    assert mailboxes.addresses() == ["a/b@x", "a@x", "a@x.example", "ba@x"]


@pytest.mark.parametrize("name", ["", " ", "a//b", "/a", "a/", "50%", "*", 'a"b', "a\\b", "a\nb", "x" * 201, "inbox"])
def test_names_that_cannot_be_folders(mailboxes: Mailboxes, name: str) -> None:
    with pytest.raises(Refused):
        mailboxes.create_folder(ANN, name)
    assert mailboxes.addresses() == []


def test_an_unknown_folder_names_the_known_ones(mailboxes: Mailboxes) -> None:
    with pytest.raises(NotFound, match="INBOX, Archive"):
        mailboxes.folder(ANN, "Spam")


def test_flags() -> None:
    assert flag_named("\\SEEN") == "\\Seen"
    assert flag_named("$Forwarded") == "$Forwarded"
    for flag in ("\\Recent", "\\Bogus", "", "two words", "a\n", 5):
        with pytest.raises(Refused):
            flag_named(flag)


def test_a_flag_that_is_set_already_is_no_change(tmp_path: Path) -> None:
    here = MailSite(tmp_path)
    mailboxes = Mailboxes(here.site, here.site.rows())
    copy = mailboxes.flag(mailboxes.put(ANN, "INBOX", "<1@x>"), add=["\\Seen"])
    count = len(here.changes)
    mailboxes.flag(copy, add=["\\Seen"], remove=["\\Flagged"])
    assert len(here.changes) == count


def test_a_deleted_folder_is_gone_and_a_new_one_has_another_uidvalidity(mailboxes: Mailboxes) -> None:
    mailboxes.create_folder(ANN, "a")
    mailboxes.create_folder(ANN, "a/b")
    mailboxes.put(ANN, "a", "<1@x>")
    kept = mailboxes.put(ANN, "a/b", "<2@x>")
    before = mailboxes.state(ANN, "a")
    mailboxes.delete_folder(ANN, "A")
    assert mailboxes.folders(ANN) == [*STANDARD, "a/b"]
    assert list(mailboxes.copies(ANN)) == [kept]
    mailboxes.create_folder(ANN, "a")
    assert mailboxes.state(ANN, "a").uidvalidity > before.uidvalidity
    assert list(mailboxes.copies(ANN, "a")) == []
    for name in ("INBOX", "sent"):
        with pytest.raises(Refused):
            mailboxes.delete_folder(ANN, name)


def test_a_renamed_folder_keeps_its_mails_under_a_new_uidvalidity(mailboxes: Mailboxes) -> None:
    mailboxes.create_folder(ANN, "a/b")
    mailboxes.remove(mailboxes.put(ANN, "a/b", "<1@x>"))
    copy = mailboxes.flag(mailboxes.put(ANN, "a/b", "<2@x>"), add=["\\Seen"])
    before = mailboxes.state(ANN, "a/b")
    mailboxes.rename_folder(ANN, "a", "c/d")
    assert mailboxes.folders(ANN) == [*STANDARD, "c/d/b"]
    (moved,) = mailboxes.copies(ANN)
    assert moved == Copy(ANN, "c/d/b", 2, "<2@x>", ("\\Seen",), copy.received)
    after = mailboxes.state(ANN, "c/d/b")
    assert (after.uidnext, after.uidvalidity > before.uidvalidity) == (3, True)
    mailboxes.rename_folder(ANN, "c/d/b", "C/D/B")  # only its spelling
    assert mailboxes.folders(ANN) == [*STANDARD, "C/D/B"]
    for name, to in (("Sent", "x"), ("C/D/B", "Junk"), ("C/D/B", "a//b"), ("C/D/B", "C/D/B")):
        with pytest.raises(Refused):
            mailboxes.rename_folder(ANN, name, to)
    with pytest.raises(NotFound):
        mailboxes.rename_folder(ANN, "none", "x")


def test_a_folder_may_move_into_itself(mailboxes: Mailboxes) -> None:
    for name in ("a", "a/a"):
        mailboxes.create_folder(ANN, name)
        mailboxes.put(ANN, name, f"<{name}@x>")
    mailboxes.rename_folder(ANN, "a", "a/a")
    assert {copy.folder: copy.message for copy in mailboxes.copies(ANN)} == {"a/a": "<a@x>", "a/a/a": "<a/a@x>"}


def test_subscriptions(mailboxes: Mailboxes) -> None:
    assert mailboxes.subscribed(ANN) == sorted(STANDARD)
    mailboxes.subscribe(ANN, "a/b")
    mailboxes.subscribe(ANN, "junk", end=True)
    assert mailboxes.subscribed(ANN) == ["Archive", "Drafts", "INBOX", "Sent", "Trash", "a/b"]
    with pytest.raises(Refused):
        mailboxes.subscribe(ANN, "a//b")


def test_an_agent_has_so_many_folders_and_the_task_program_any_number(tmp_path: Path) -> None:
    here = MailSite(tmp_path)
    mailboxes = Mailboxes(here.site, here.site.rows())
    here.holder = "agent"
    for n in range(FOLDERS_LIMIT):
        mailboxes.create_folder(ANN, f"f{n}")
    for refused in (
        lambda: mailboxes.create_folder(ANN, "more"),
        lambda: mailboxes.rename_folder(ANN, "INBOX", "more"),
    ):
        with pytest.raises(Refused, match=r"500 folders of your own, .*; delete some") as no:
            refused()
        assert no.value.code == "LIMIT"
    mailboxes.rename_folder(ANN, "f0", "g0")
    mailboxes.delete_folder(ANN, "g0")
    mailboxes.create_folder(ANN, "more")
    assert len(mailboxes.folders(ANN)) == FOLDERS_LIMIT + len(STANDARD)
    here.holder = "task"
    mailboxes.create_folder(ANN, "of the task")


def test_the_names_of_folders_are_limited_too(tmp_path: Path) -> None:
    here = MailSite(tmp_path)
    mailboxes = Mailboxes(here.site, here.site.rows())
    here.holder = "agent"
    for n in range(32768 // (3 + 197 * 3)):
        mailboxes.create_folder(ANN, f"{n:03}" + "✓" * 197)
    with pytest.raises(Refused, match="32768 bytes together"):
        mailboxes.create_folder(ANN, "end" + "✓" * 197)
    mailboxes.create_folder(ANN, "x")
    with pytest.raises(Refused, match="shorter names"):
        mailboxes.rename_folder(ANN, "x", "✓" * 200)


def test_names_of_folders_that_are_gone_do_not_pile_up(tmp_path: Path) -> None:
    here = MailSite(tmp_path)
    mailboxes = Mailboxes(here.site, here.site.rows())
    here.holder = "agent"
    for n in range(FOLDERS_LIMIT):
        mailboxes.subscribe(ANN, f"f{n}")
    with pytest.raises(Refused, match="500 folders"):
        mailboxes.subscribe(ANN, "more")
    mailboxes.subscribe(ANN, "f0", end=True)
    mailboxes.subscribe(ANN, "more")


def test_a_mail_has_so_many_flags(mailboxes: Mailboxes) -> None:
    copy = mailboxes.put(ANN, "INBOX", "<1@x>", [f"k{n}" for n in range(FLAGS_LIMIT)])
    with pytest.raises(Refused, match="may have 100 flags"):
        mailboxes.flag(copy, add=["more"])
    with pytest.raises(Refused, match="may have 100 flags"):
        mailboxes.put(ANN, "INBOX", "<1@x>", [f"k{n}" for n in range(FLAGS_LIMIT + 1)])
    assert mailboxes.flag(copy, add=["more"], remove=["k0"]).flags[-1] == "more"

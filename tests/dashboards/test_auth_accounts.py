"""Accounts, tokens, keys, sessions and limits, each by itself."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from dashboards.auth.access import open_access
from dashboards.auth.account_file import (
    AccountFile,
    Accounts,
    change_accounts,
    read_accounts,
    with_token,
    with_user,
    without,
)
from dashboards.auth.credentials import Credentials, Identity
from dashboards.auth.errors import AccountError
from dashboards.auth.limits import Attempts
from dashboards.auth.secret_texts import read_token, session_key
from dashboards.auth.sessions import EndedSessions, Sessions

PASSWORD = "correct horse battery"
ANN = Identity("ann", "user", "p" * 32)


class Clock:
    """Seconds that go on when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def hashed() -> Accounts:
    return with_user(Accounts(), "ann", PASSWORD, exists=False)


@pytest.fixture
def accounts_path(tmp_path: Path, hashed: Accounts) -> Path:
    path = tmp_path / "accounts.json"
    change_accounts(path, lambda _: hashed)
    return path


def test_a_new_file_is_its_owners_alone_and_holds_no_password(accounts_path: Path) -> None:
    assert stat.S_IMODE(accounts_path.stat().st_mode) == 0o600
    text = accounts_path.read_text()
    assert "scrypt:" in text
    assert PASSWORD not in text
    assert [path.name for path in accounts_path.parent.iterdir()] == ["accounts.json"]


def test_a_password_opens_and_another_does_not(accounts_path: Path) -> None:
    credentials = Credentials(AccountFile(accounts_path), None)
    identity = credentials.by_password("ann", PASSWORD)
    assert identity is not None
    assert credentials.holds(identity)
    for name, password in (("ann", PASSWORD + "x"), ("ann", ""), ("bob", PASSWORD), ("", "")):
        assert credentials.by_password(name, password) is None
    assert credentials.by_password("ann", "x" * 1_000_000) is None


def test_another_password_or_a_removed_user_ends_what_was_proved(accounts_path: Path) -> None:
    credentials = Credentials(AccountFile(accounts_path), None)
    identity = credentials.by_password("ann", PASSWORD)
    assert identity is not None
    change_accounts(
        accounts_path, lambda known: with_user(known, "ann", "another one", exists=True)
    )
    assert not credentials.holds(identity)
    change_accounts(accounts_path, lambda known: without(known, "users", "ann"))
    assert not credentials.holds(identity)
    assert not credentials.knows("ann")


def test_a_token_of_a_program_opens_until_it_is_removed(accounts_path: Path) -> None:
    made = []

    def add(known: Accounts) -> Accounts:
        changed, token = with_token(known, "prometheus")
        made.append(token)
        return changed

    change_accounts(accounts_path, add)
    credentials = Credentials(AccountFile(accounts_path), None)
    assert made[0] not in accounts_path.read_text()
    assert credentials.by_token(made[0]) is not None
    assert credentials.by_token(made[0] + "x") is None
    assert credentials.by_token("") is None
    with pytest.raises(AccountError, match="remove-token"):
        change_accounts(accounts_path, add)
    change_accounts(accounts_path, lambda known: without(known, "tokens", "prometheus"))
    assert credentials.by_token(made[0]) is None


@pytest.mark.parametrize(
    ("name", "password", "rule"),
    [
        ("<b>x</b>", PASSWORD, "A name has"),
        ("", PASSWORD, "A name has"),
        ("a\nb", PASSWORD, "A name has"),
        ("x" * 65, PASSWORD, "A name has"),
        ("bob", "short", "8 to 1000 characters, but got 5"),
        ("bob", "x" * 1001, "8 to 1000 characters, but got 1001"),
        ("bob-the-user", "Bob-The-User", "must not be the user's name"),
        ("ann", PASSWORD, "set-password"),
    ],
)
def test_an_account_that_breaks_a_rule_is_refused(hashed, name, password, rule) -> None:
    with pytest.raises(AccountError, match=rule) as caught:
        with_user(hashed, name, password, exists=False)
    assert "\n" not in str(caught.value)
    assert password not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ("", "is JSON with format"),
        ("[]", "is JSON with format"),
        ('{"format": "sigmoidf1-accounts-1"}', "must have one"),
        ('{"format": "sigmoidf1-accounts-1", "users": []}', "must map names to texts"),
        ('{"format": "sigmoidf1-accounts-1", "users": {"ann": "secret"}}', "hashed by scrypt"),
        ('{"format": "sigmoidf1-accounts-1", "tokens": {"x": "secret"}}', "its SHA-256"),
    ],
)
def test_a_file_that_is_none_of_accounts_is_refused(tmp_path, content, rule) -> None:
    path = tmp_path / "accounts.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(AccountError, match=rule) as caught:
        AccountFile(path)
    assert "secret" not in str(caught.value)


def test_a_file_that_others_can_read_or_change_is_refused(accounts_path: Path) -> None:
    for mode in (0o644, 0o604, 0o620):
        accounts_path.chmod(mode)
        with pytest.raises(AccountError, match=f"has mode {mode:04o}"):
            read_accounts(accounts_path)
    accounts_path.chmod(0o640)
    assert read_accounts(accounts_path).users.keys() == {"ann"}


def test_nobody_has_an_account_in_a_file_that_breaks(accounts_path: Path, caplog) -> None:
    file = AccountFile(accounts_path)
    accounts_path.write_text("{")
    assert file.read().users == {}
    assert "Nobody can log in" in caplog.text
    with pytest.raises(AccountError, match="must be readable"):
        AccountFile(accounts_path.with_name("missing.json"))


def test_many_at_once_lose_no_account(tmp_path: Path) -> None:
    path = tmp_path / "accounts.json"

    def add(number: int) -> None:
        change_accounts(path, lambda known: with_token(known, f"program-{number}")[0])

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_accounts(path).tokens) == 8


def test_a_token_comes_from_a_closed_file_or_the_environment(tmp_path: Path) -> None:
    path, token = tmp_path / "token", "t" * 24
    path.write_text(f"{token}\n")
    path.chmod(0o600)
    assert read_token(path, None) == read_token(None, token) == token
    assert read_token(None, None) is read_token(None, "") is None
    with pytest.raises(AccountError, match="got both"):
        read_token(path, token)
    path.chmod(0o644)
    with pytest.raises(AccountError, match="chmod 600"):
        read_token(path, None)
    path.unlink()
    with pytest.raises(AccountError, match="must be readable"):
        read_token(path, None)
    for bad in ("hunter2", "with a space in it, and long", "ü" * 30):
        with pytest.raises(AccountError, match="at least 24") as caught:
            read_token(None, bad)
        assert bad not in str(caught.value)


def test_the_key_of_sessions_outlives_the_program(accounts_path: Path) -> None:
    key = session_key(None, accounts_path, None)
    path = accounts_path.with_name("accounts.json.key")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert session_key(None, accounts_path, None) == key
    path.unlink()
    assert session_key(None, accounts_path, None) != key
    assert session_key("k" * 32, accounts_path, None) == b"k" * 32
    assert session_key(None, None, "t" * 24) != session_key(None, None, "u" * 24)
    with pytest.raises(AccountError, match="at least 32"):
        session_key("short", None, "t" * 24)
    path.chmod(0o644)
    with pytest.raises(AccountError, match="chmod 600"):
        session_key(None, accounts_path, None)


def test_sessions_and_log_outs_survive_a_restart(accounts_path: Path) -> None:
    first = open_access(accounts_path, None)
    assert first is not None
    kept, ended = first.sessions.begin(ANN), first.sessions.begin(ANN)
    first.sessions.end(ended)
    again = open_access(accounts_path, None)
    assert again is not None
    session = again.sessions.read(kept)
    assert session is not None
    assert session.identity == ANN
    assert again.sessions.read(ended) is None


def test_a_session_ends_with_its_time_and_is_nobody_elses() -> None:
    clock = Clock()
    sessions = Sessions(b"k" * 32, EndedSessions(None), length_s=60, clock=clock)
    text = sessions.begin(ANN)
    assert sessions.read(text) is not None
    other = Sessions(b"o" * 32, EndedSessions(None), clock=clock)
    assert other.read(text) is None
    assert sessions.read(sessions.sign_form("nonce")) is None
    for bad in ("", "x", text[:-1], "x" + text, text.partition(".")[0], text * 2):
        assert sessions.read(bad) is None
    clock.now += 60
    assert sessions.read(text) is None


def test_a_form_is_of_who_has_its_nonce_and_not_for_ever() -> None:
    clock = Clock()
    sessions = Sessions(b"k" * 32, EndedSessions(None), clock=clock)
    form = sessions.sign_form("mine")
    assert sessions.check_form(form, "mine", 60)
    assert not sessions.check_form(form, "theirs", 60)
    assert not sessions.check_form(sessions.sign_form(""), "", 60)
    assert not sessions.check_form(sessions.begin(ANN), "mine", 60)
    clock.now += 60
    assert not sessions.check_form(form, "mine", 60)


def test_more_log_outs_than_are_remembered_end_every_session() -> None:
    clock = Clock()
    sessions = Sessions(b"k" * 32, EndedSessions(None), clock=clock)
    kept, ended = sessions.begin(ANN), []
    for _ in range(4096):
        ended.append(sessions.begin(ANN))
        sessions.end(ended[-1])
    assert sessions.read(kept) is not None
    assert sessions.read(ended[0]) is None
    sessions.end(sessions.begin(ANN))
    assert sessions.read(kept) is sessions.read(ended[0]) is None
    clock.now += 1
    assert sessions.read(sessions.begin(ANN)) is not None


def test_attempts_run_out_and_come_back_one_by_one() -> None:
    clock = Clock()
    attempts = Attempts(3, 10.0, clock=clock)
    assert [attempts.take("a") for _ in range(4)] == [0, 0, 0, 10]
    assert attempts.take("b") == 0
    clock.now += 4
    assert attempts.take("a") == 6
    clock.now += 6
    assert [attempts.take("a"), attempts.take("a")] == [0, 10]
    attempts.give_back("a")
    assert attempts.take("a") == 0
    clock.now += 1000
    assert [attempts.take("a") for _ in range(4)] == [0, 0, 0, 10]


def test_attempts_take_little_memory_whoever_comes() -> None:
    clock = Clock()
    attempts = Attempts(1, 10.0, clock=clock)
    for number in range(12_000):
        attempts.take(str(number))
    assert len(attempts) == 10_000
    clock.now += 11
    attempts.take("one more")
    assert len(attempts) == 1


def test_threads_share_the_attempts() -> None:
    attempts, passed = Attempts(5, 1e6), []
    start = threading.Barrier(8)

    def guess() -> None:
        start.wait()
        passed.extend(number for number in range(10) if attempts.take("a") == 0)

    threads = [threading.Thread(target=guess) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 5

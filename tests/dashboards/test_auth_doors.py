"""The doors of the dashboard: what is closed, what opens it, and what comes with every answer."""

from __future__ import annotations

import html
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from werkzeug.security import generate_password_hash

from dashboards.app import make_app
from dashboards.auth.access import Access, open_access
from dashboards.auth.account_file import Accounts, change_accounts, with_token, without
from dashboards.auth.credentials import Identity
from dashboards.auth.login import safe_path
from dashboards.auth.sessions import EndedSessions, Sessions
from dashboards.pages.listing import every_page
from dashboards.serve import ServeError, is_loopback, serve

PASSWORD, TOKEN = "correct horse battery", "service-token-of-the-team-0123"
PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
OPEN = ("/healthz", "/login", "/login/style.css", "/login/icon.svg")
CLOSED = (
    *("/", *(page.PATH for page in every_page()), "/nowhere", "/login/", "/login/other"),
    *("/_dash-layout", "/_dash-dependencies", "/_reload-hash", "/_favicon.ico"),
    *("/_dash-component-suites/dash/dcc/async-graph.js", "/assets/style.css", "/assets/view.js"),
    *("/download/best.yaml", "/download/map.csv", "/download/report.html"),
    *("/api/v1", "/api/v1/sweeps", "/metrics", "/logout", "/static/x", "//login", "/login%2f.."),
    *("/assets/../auth/login.py", "/assets/%2e%2e/app.py", "/login/../map", "/login/..%2fmap"),
    *("/assets/..%5capp.py", "/healthz/../map", "/_dash-component-suites/../../dash/dash.py"),
)


@pytest.fixture(scope="module")
def ann() -> Accounts:
    # Hashed cheaply: what is tested here is not how long guessing takes.
    accounts = Accounts(users={"ann": generate_password_hash(PASSWORD, "scrypt:1024:8:1")})
    return with_token(accounts, "prometheus")[0]


@pytest.fixture
def accounts_path(tmp_path: Path, ann: Accounts) -> Path:
    path = tmp_path / "accounts.json"
    change_accounts(path, lambda _: ann)
    return path


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory, ann: Accounts) -> Access:
    path = tmp_path_factory.mktemp("accounts") / "accounts.json"
    change_accounts(path, lambda _: ann)
    found = open_access(path, TOKEN)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def app(store_url: str, access: Access) -> Any:
    """An app for tests that use up no attempts and change no account."""
    return make_app(store_url, access).server


@pytest.fixture
def own_app(store_url: str, accounts_path: Path) -> Any:
    """An app with attempts and accounts of its own."""
    return make_app(store_url, open_access(accounts_path, TOKEN)).server


def form_of(client: Any, path: str = "/login") -> dict[str, str]:
    """The hidden fields of the log-in page."""
    found = re.findall(r'name="(form|next)" value="([^"]*)"', client.get(path).text)
    return {name: html.unescape(value) for name, value in found}


def log_in(client: Any, password: str = PASSWORD, name: str = "ann", **fields: str) -> Any:
    form = {**form_of(client), "name": name, "password": password, **fields}
    return client.post("/login", data=form, headers={"Origin": "http://localhost"})


def test_without_a_cookie_everything_is_closed(app) -> None:
    client = app.test_client()
    for path in CLOSED:
        asked, opened = client.get(path), client.get(path, headers=PAGE)
        assert asked.status_code == 401, path
        assert asked.headers["WWW-Authenticate"].startswith("Bearer"), path
        assert "log-in" in asked.text, path
        assert opened.status_code in (303, 401), path
        if opened.status_code == 303:
            assert opened.headers["Location"].startswith("/login"), path
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"):
            if (path, method) != ("/logout", "POST"):
                assert client.open(path, method=method).status_code == 401, (path, method)
    assert client.post("/_dash-update-component", json={}).status_code == 401
    assert [client.get(path).status_code for path in OPEN] == [200] * 4


def test_every_route_of_the_app_is_closed_or_known_to_be_open(app) -> None:
    client = app.test_client()
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<[^>]+>", "x", rule.rule)
        if path not in OPEN:
            assert client.get(path).status_code == 401, rule


def test_a_forged_or_foreign_cookie_opens_nothing(app, access) -> None:
    client = app.test_client()
    name = f"sigmoidf1-{access.sessions.label}"
    mine = Identity("ann", "user", "0" * 32)
    foreign = Sessions(b"another key" * 4, EndedSessions(None)).begin(mine)
    own = access.sessions.begin(mine)  # signed, but of another password
    real = access.sessions.begin(access.credentials.by_password("ann", PASSWORD))
    bad = [foreign, own, real[:-2], real + "A", "x" * 3000, "é", ".", "..", real.split(".")[0]]
    for value in bad:
        client.set_cookie(name, value)
        assert client.get("/api/v1").status_code == 401, value[:40]
    client.set_cookie(name, real)
    assert client.get("/api/v1").status_code == 200


def test_the_right_password_opens_and_leads_back_to_the_view(app) -> None:
    client = app.test_client()
    asked = client.get("/map?sweep=movie-genres&t=0.3", headers=PAGE)
    assert asked.status_code == 303
    answer = log_in(client, next=form_of(client, asked.headers["Location"])["next"])
    assert (answer.status_code, answer.headers["Location"]) == (
        303,
        "/map?sweep=movie-genres&t=0.3",
    )
    cookie = answer.headers["Set-Cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=43200"))
    assert "Secure" not in cookie
    page = client.get("/map?sweep=movie-genres", headers=PAGE)
    assert (page.status_code, page.headers["Cache-Control"]) == (200, "private, no-cache")
    layout = client.get("/_dash-layout", headers={"Referer": "http://localhost/map"})
    assert '"Log out"' in layout.text
    assert '"Logged in as ann"' in layout.text
    assert client.get("/login", headers=PAGE).headers["Location"] == "/"
    files = client.get("/assets/view.js?m=1", buffered=True)
    assert files.headers["Cache-Control"] == "private, max-age=31536000, immutable"


def test_behind_https_the_cookie_is_for_this_host_and_https_alone(app) -> None:
    client = app.test_client()
    secure = {"base_url": "https://sweeps.example"}
    fields = dict(re.findall(r'name="(form)" value="([^"]*)"', client.get("/login", **secure).text))
    answer = client.post("/login", data={**fields, "name": "ann", "password": PASSWORD}, **secure)
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-sigmoidf1-")
    assert "Secure;" in cookie
    assert client.get("/api/v1", **secure).status_code == 200
    assert client.get("/api/v1").status_code == 401


def test_ten_wrong_passwords_wait_and_reveal_nothing(own_app, caplog) -> None:
    client = own_app.test_client()
    answers = [log_in(client, "not the password " + str(n)) for n in range(10)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 5
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 30
    wait = answers[-1].headers["Retry-After"]
    assert f"Too many attempts. Try again in {wait} second" in answers[-1].text
    assert log_in(client).status_code == 429  # not even the right one, until then
    elsewhere = {"REMOTE_ADDR": "192.0.2.9"}
    unknown = client.post(
        "/login", data={**form_of(client), "name": "nobody", "password": "x"},
        environ_base=elsewhere,
    )  # fmt: skip
    known = client.post(
        "/login", data={**form_of(client), "name": "ann", "password": "x"}, environ_base=elsewhere
    )
    assert unknown.status_code == known.status_code == 401
    strip = re.compile(r'value="[^"]*"')
    assert strip.sub("", unknown.text) == strip.sub("", known.text)
    assert "Name or password is wrong." in known.text
    assert "not the password" not in caplog.text + answers[0].text


def test_one_name_is_guessed_from_many_addresses_no_faster(own_app) -> None:
    client = own_app.test_client()
    form = {**form_of(client), "name": "ann", "password": "wrong"}
    codes = [
        client.post("/login", data=form, environ_base={"REMOTE_ADDR": f"192.0.2.{n}"}).status_code
        for n in range(12)
    ]
    assert codes == [401] * 10 + [429] * 2
    same = [
        client.post(
            "/login",
            data={**form, "name": f"user{n}"},
            environ_base={"REMOTE_ADDR": f"2001:db8::{n}"},
        ).status_code
        for n in range(6)
    ]
    assert same == [401] * 5 + [429]


def test_threads_do_not_get_more_attempts(own_app) -> None:
    codes: list[int] = []
    first = own_app.test_client()
    form = {**form_of(first), "name": "ann", "password": "wrong"}
    cookie = next(iter(first._cookies.values()))

    def guess() -> None:
        client = own_app.test_client()
        client.set_cookie(cookie.key, cookie.value, path="/login")
        codes.append(client.post("/login", data=form).status_code)

    threads = [threading.Thread(target=guess) for _ in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes.count(401) <= 5
    assert codes.count(401) + codes.count(429) == 9


def test_successful_log_ins_use_no_attempt(app) -> None:
    assert [log_in(app.test_client()).status_code for _ in range(6)] == [303] * 6


def test_a_form_from_elsewhere_is_refused(app) -> None:
    client, other = app.test_client(), app.test_client()
    fields = {"name": "ann", "password": PASSWORD}
    assert client.post("/login", data=fields).status_code == 400
    stolen = {**form_of(other), **fields}
    assert client.post("/login", data=stolen).status_code == 400
    mine = {**form_of(client), **fields}
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        assert client.post("/login", data=mine, headers=headers).status_code == 403, headers
    assert client.post("/login", data={**mine, "name": "x" * 40_000}).status_code == 413
    assert client.post("/login", data=mine).status_code == 303
    evil = {"Sec-Fetch-Site": "cross-site"}
    assert client.post("/_dash-update-component", json={}, headers=evil).status_code == 403
    assert client.post("/logout", headers=evil).status_code == 403
    assert client.get("/api/v1").status_code == 200


def test_logging_out_ends_the_session_for_good(app, access) -> None:
    client = app.test_client()
    log_in(client)
    name = f"sigmoidf1-{access.sessions.label}"
    copied = client.get_cookie(name).value
    answer = client.post("/logout")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
    assert client.get_cookie(name) is None
    client.set_cookie(name, copied)
    assert client.get("/api/v1").status_code == 401
    assert client.get("/logout", headers=PAGE).status_code == 303


def test_an_expired_session_is_asked_to_log_in_again(store_url, accounts_path) -> None:
    brief = open_access(accounts_path, None, session_s=-1)
    assert brief is not None
    client = make_app(store_url, brief).server.test_client()
    client.set_cookie(
        f"sigmoidf1-{brief.sessions.label}",
        brief.sessions.begin(brief.credentials.by_password("ann", PASSWORD)),
    )
    page = client.get("/map?sweep=finished", headers=PAGE)
    assert page.headers["Location"] == "/login?next=/map%3Fsweep%3Dfinished"
    assert client.post("/_dash-update-component", json={}).status_code == 401


def test_a_removed_user_is_out_with_the_next_request(own_app, accounts_path) -> None:
    client = own_app.test_client()
    log_in(client)
    assert client.get("/api/v1").status_code == 200
    change_accounts(accounts_path, lambda known: without(known, "users", "ann"))
    assert client.get("/api/v1").status_code == 401


def test_programs_show_a_token(app) -> None:
    client = app.test_client()
    for path in ("/api/v1/sweeps", "/metrics", "/download/map.csv?sweep=finished"):
        for header in (f"Bearer {TOKEN}", f"bearer  {TOKEN} "):
            answer = client.get(path, headers={"Authorization": header})
            assert answer.status_code == 200, path
        for wrong in (f"Bearer {TOKEN}x", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN):
            assert client.get(path, headers={"Authorization": wrong}).status_code == 401, wrong
    assert TOKEN not in client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text


def test_a_wrong_token_is_not_made_good_by_a_session(app) -> None:
    client = app.test_client()
    log_in(client)
    assert client.get("/api/v1", headers={"Authorization": "Bearer x"}).status_code == 401


def test_where_a_token_alone_opens_people_log_in_by_it(store_url) -> None:
    access = open_access(None, TOKEN)
    app = make_app(store_url, access).server
    client = app.test_client()
    page = client.get("/login").text
    assert "Access token" in page
    assert 'name="name"' not in page
    assert "This is no token." in log_in(client, "x" * 24).text
    assert log_in(client, TOKEN).status_code == 303
    assert client.get("/api/v1").status_code == 200
    # The same key after a restart; none of the old sessions with another token.
    for token, status in ((TOKEN, 200), (TOKEN[::-1], 401)):
        again = make_app(store_url, open_access(None, token)).server.test_client()
        for cookie in client._cookies.values():
            again.set_cookie(cookie.key, cookie.value)
        assert again.get("/api/v1").status_code == status


def test_after_the_log_in_nobody_is_sent_elsewhere(app) -> None:
    own = ("/", "/map", "/map?sweep=a%20b&t=0.5", "/download/best.yaml?sweep=x")
    assert [safe_path(target) for target in own] == list(own)
    elsewhere = (
        *("//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "https:/e"),
        *("https://evil.example", "javascript:alert(1)", "/\t/evil.example", "/\n/evil.example"),
        *("evil.example", "", " /map", "/map\r\nSet-Cookie: a=b", "/ü", "/login", "/login?next=/"),
        *("/logout", "/a\\..\\b", "/" + "x" * 5000, "http:evil.example", "/map x", "\0/", "/\0"),
    )
    for target in elsewhere:
        assert safe_path(target) == "/", target
        page = app.test_client().get("/login", query_string={"next": target})
        assert 'name="next" value="/"' in page.text, target
    for target in ("//evil.example", "/\\evil.example", "/map\r\nSet-Cookie: a=b"):
        answer = log_in(app.test_client(), next=target)
        assert answer.headers["Location"] == "/"
        assert "a=b" not in str(answer.headers)


def test_what_is_typed_comes_back_as_text(app) -> None:
    client = app.test_client()
    typed = "\"><script>alert(1)</script><img src=x onerror='alert(2)'>"
    page = log_in(client, "wrong", name=typed).text
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page
    page = client.get("/login", query_string={"next": f"/map?sweep={typed}"}).text
    assert "<script" not in page
    client.set_cookie("look", f"wide.{typed}")
    client.set_cookie(next(n for _, _, n in client._cookies if "form" in n), typed, path="/login")
    assert "<script" not in client.get("/login").text


def test_names_of_a_store_are_text_on_pages_and_in_answers(app, tmp_path, dashboard_data) -> None:
    from storage.store import Store

    name = "<img src=x onerror=alert(1)>"
    url = f"sqlite:///{tmp_path}/odd.db"
    with Store.open(url) as store:
        dashboard_data.add_sweep(store, name, cells=dashboard_data.make_cells([1.0], [0.0])[:1])
    client = make_app(url).server.test_client()
    page = client.get("/map", query_string={"sweep": name}, headers=PAGE)
    assert page.status_code == 200
    assert "<img" not in page.text
    for path in ("/api/v1/sweeps", "/download/nothing.png", "/api/v1/sweeps/<img src=x>"):
        answer = client.get(path)
        assert answer.mimetype in ("application/json", "text/plain")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "script-src" not in answer.headers["Content-Security-Policy"]


def test_a_path_leads_to_no_other_file(app) -> None:
    client = app.test_client()
    log_in(client)
    for path in CLOSED:
        if ".." in path or "%2e" in path:
            answer = client.get(path, buffered=True)
            assert "import" not in answer.text, path
    for sweep in ("../../etc/passwd", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/etc/passwd"):
        assert client.get(f"/download/report.html?sweep={sweep}").status_code == 404
        assert client.get(f"/api/v1/sweeps/{sweep}").status_code == 404
    assert client.get("/download/../../etc/passwd.csv").status_code == 404


def test_every_answer_tells_the_browser_what_it_may_do(app) -> None:
    client = app.test_client()
    log_in(client)
    page = client.get("/map", headers=PAGE).headers["Content-Security-Policy"]
    scripts = re.search(r"script-src ([^;]*);", page)
    assert scripts is not None
    assert re.fullmatch(r"'self'( 'sha256-[A-Za-z0-9+/=]{44}')+", scripts[1])
    for part in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert part in page
    for path in ("/map", "/api/v1", "/assets/view.js", "/nowhere", "/healthz", "/download/x.y"):
        headers = client.get(path, buffered=True).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    far = client.get("/healthz", base_url="http://sweeps.example").headers
    assert "Cross-Origin-Opener-Policy" not in far  # browsers complain about it without https


def test_without_a_log_in_only_this_machine_is_answered(store_url) -> None:
    client = make_app(store_url, local_only=True).server.test_client()
    for host in ("localhost:8050", "127.0.0.1:8050", "[::1]:8050", "a.localhost", "127.0.0.9"):
        assert client.get("/api/v1", base_url=f"http://{host}").status_code == 200, host
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1"):
        answer = client.get("/api/v1", base_url=f"http://{host}")
        assert answer.status_code == 403, host
        assert "--auth-file" in answer.text


def test_another_address_demands_a_log_in(store_url) -> None:
    assert is_loopback("127.0.0.1")
    assert is_loopback("localhost")
    assert is_loopback("::1")
    for host in ("0.0.0.0", "::", ""):
        assert not is_loopback(host)
        with pytest.raises(ServeError, match="demands a log-in") as caught:
            serve(store_url, host=host, port=0)
        assert "\n" not in str(caught.value)

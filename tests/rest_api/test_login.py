"""POST /login: programs written for A1111 say the page's password once and keep a cookie. It opens what the password opens, and nothing else."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from modules.rest_api.sessions import COOKIE, LIFETIME, MOST_SESSIONS, Sessions
from tests.conftest import FakeEngine, RunningServer, serve

pytestmark = pytest.mark.group("S10", "S11", "S14")
RIGHT = {"username": "ann", "password": "secret"}


@pytest.fixture
def page_only(make_app: Callable[..., Any], fake_engine: FakeEngine) -> Iterator[RunningServer]:
    yield from serve(make_app("--api", "--gradio-auth", "ann:secret,bob:other"))


@pytest.fixture
def with_api_auth(make_app: Callable[..., Any], fake_engine: FakeEngine) -> Iterator[RunningServer]:
    yield from serve(make_app("--api", "--gradio-auth", "ann:secret", "--api-auth", "bot:geheim"))


@pytest.fixture
def bot() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def test_a_program_logs_in_once_and_draws_until_it_logs_out(page_only: RunningServer, bot: requests.Session) -> None:
    url = page_only.url
    assert bot.get(url + "/sdapi/v1/samplers").status_code == bot.get(url + "/login_check").status_code == 401
    said = bot.post(url + "/login", data=RIGHT)
    assert said.status_code == 200 and said.json() == {"success": True} and "secret" not in said.headers["set-cookie"]
    parts = {part.strip().lower() for part in said.headers["set-cookie"].split(";")[1:]}
    assert parts == {"httponly", "path=/", "samesite=lax"}  # over TLS "secure" too, below
    wanted = {"prompt": "a cat", "steps": 1, "width": 64, "height": 64, "override_settings": {"add_user_name_to_info": True}}
    drawn = bot.post(url + "/sdapi/v1/txt2img", json=wanted)
    assert drawn.status_code == 200 and "User: ann" in drawn.json()["info"]
    assert bot.get(url + "/internal/ping").status_code == bot.get(url + "/login_check").status_code == 200
    kept = str(bot.cookies[COOKIE])
    assert bot.get(url + "/logout").json() == {"success": True} and COOKIE not in bot.cookies
    assert requests.get(url + "/sdapi/v1/samplers", cookies={COOKIE: kept}, timeout=10).status_code == 401


def test_gradios_form_of_parts_is_understood_too(page_only: RunningServer, bot: requests.Session) -> None:
    parts: Any = {key: (None, value) for key, value in RIGHT.items()}
    assert bot.post(page_only.url + "/login", files=parts).json() == {"success": True}
    assert bot.get(page_only.url + "/internal/ping").status_code == 200


def test_guesses_are_refused_and_slowed_down_and_those_who_are_in_do_not_wait(page_only: RunningServer, bot: requests.Session) -> None:
    url = page_only.url + "/login"
    bot.post(url, data=RIGHT)
    for given in ({"username": "ann", "password": "wrong"}, {"username": "nobody", "password": "secret"}, {"username": "ann", "password": "other"}):
        wrong = requests.post(url, data=given, timeout=10)
        assert wrong.status_code == 400 and "Incorrect" in wrong.json()["detail"] and "set-cookie" not in wrong.headers
    statuses = [requests.post(url, data={"username": "ann", "password": f"try{k}"}, timeout=10).status_code for k in range(12)]
    assert statuses.count(400) < 12 and statuses[-1] == 429
    assert requests.post(url, data=RIGHT, timeout=10).status_code == 429           # nobody learns by guessing on which one was right
    assert page_only.client.get("/internal/ping", auth=("ann", "secret")).status_code == 429     # the same throttle
    assert bot.get(page_only.url + "/internal/ping").status_code == 200


@pytest.mark.parametrize("cookie", ["", "x", "ann", "A" * 43, "é", "secret", "unsecure", "../..", "A" * 3000])
def test_a_forged_cookie_opens_nothing(page_only: RunningServer, cookie: str) -> None:
    sent = {"cookie": f"{COOKIE}={cookie}; {COOKIE}-unsecure={cookie}".encode()}
    for path in ("/internal/ping", "/sdapi/v1/options"):
        assert page_only.client.get(path, headers=sent).status_code == 401     # type: ignore[arg-type]


def test_what_api_auth_guards_is_opened_by_its_password_alone(with_api_auth: RunningServer, bot: requests.Session) -> None:
    url = with_api_auth.url
    assert bot.post(url + "/login", data={"username": "bot", "password": "geheim"}).status_code == 400
    assert bot.post(url + "/login", data=RIGHT).status_code == 200
    assert bot.get(url + "/internal/ping").status_code == 200
    for path in ("/sdapi/v1/samplers", "/docs", "/openapi.json", "/SDAPI/v1/samplers"):
        assert bot.get(url + path).status_code == 401, path
    bot.auth = ("bot", "geheim")        # as A1111's bots have it: a cookie for the page, Basic for the API, both with every request
    assert bot.get(url + "/sdapi/v1/samplers").status_code == bot.get(url + "/internal/ping").status_code == 200


@pytest.mark.parametrize("headers", [{"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}])
def test_pages_of_other_sites_log_nobody_in_or_out(page_only: RunningServer, bot: requests.Session, headers: dict[str, str]) -> None:
    stranger = requests.post(page_only.url + "/login", data=RIGHT, headers=headers, timeout=10)
    assert stranger.status_code == 403 and "set-cookie" not in stranger.headers
    bot.post(page_only.url + "/login", data=RIGHT)
    assert bot.get(page_only.url + "/logout", headers=headers).status_code == bot.post(page_only.url + "/sdapi/v1/skip", headers=headers).status_code == 403
    assert bot.get(page_only.url + "/internal/ping").status_code == 200


def test_what_is_no_form_is_refused_in_words(page_only: RunningServer) -> None:
    cases: list[dict[str, Any]] = [{}, {"json": RIGHT}, {"data": {"username": "ann"}}, {"data": b"\xff\0=", "headers": {"content-type": "multipart/form-data"}},
             {"files": {"username": ("a.txt", b"ann"), "password": ("b.txt", b"secret")}}]  # fmt: skip
    for more in cases:
        answer = requests.post(page_only.url + "/login", timeout=10, **more)
        assert answer.status_code in (400, 422) and answer.json()["detail"], more
    assert requests.post(page_only.url + "/login", data={**RIGHT, "x": "x" * 100_000}, timeout=10).status_code == 413
    endless = (b"x" * 1000 for _ in range(200))
    assert requests.post(page_only.url + "/login", data=endless, headers={"content-type": "application/x-www-form-urlencoded"}, timeout=10).status_code == 413
    parts = urlsplit(page_only.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as line:
        line.sendall(f"POST /login HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 500\r\n\r\nusername=ann".encode())
    assert requests.post(page_only.url + "/login", data=RIGHT, timeout=10).status_code == 200


def test_over_tls_the_cookie_goes_nowhere_else(page_only: RunningServer) -> None:
    headers = {"x-forwarded-proto": "https"}        # of a proxy on this machine
    assert "secure" in page_only.client.post("/login", data=RIGHT, headers=headers).headers["set-cookie"].lower()


def test_without_a_password_there_is_nothing_to_log_in_to(fake_server: RunningServer) -> None:
    assert fake_server.client.post("/login", data=RIGHT).status_code in (302, 404, 405)


def test_sessions_have_a_number_and_an_end() -> None:
    now = [0.0]
    sessions = Sessions(clock=lambda: now[0])
    tokens = [sessions.begin(f"user{k}") for k in range(MOST_SESSIONS + 1)]
    assert len(set(tokens)) == len(tokens) and sessions.user_of(f"{COOKIE}={tokens[0]}") is None
    assert sessions.user_of(f"{COOKIE}=old; a=b; {COOKIE}={tokens[1]}") == "user1"      # another path's cookie of the same name comes along
    now[0] = LIFETIME + 1
    assert sessions.user_of(f"{COOKIE}={tokens[-1]}") is None

"""Keys come by name, from the environment or from Vault, and one that can withdraw is refused."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from domain.errors import ConfigError, ExitCode, SwarmError
from market.venues.config import VenueConfig
from market.venues.keys import credentials, passphrase, refuse_withdrawals

PATH = "secret/data/murmuration/x"
FIELDS = {"api_key": "k", "api_secret": "s"}
Answers = dict[str, tuple[int, bytes, dict[str, str]]]


def config(**changes: Any) -> VenueConfig:
    here = "127.0.0.1:1"
    values = {"name": "x", "rest_url": f"http://{here}", "stream_url": f"ws://{here}", "api_url": f"ws://{here}",
              "account": "a", "vault_path": PATH}  # fmt: skip
    return VenueConfig(**{**values, **changes})


@contextmanager
def vault(answers: Answers) -> Iterator[tuple[str, list[tuple[str, str | None, str | None]]]]:
    asked: list[tuple[str, str | None, str | None]] = []

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers["X-Vault-Token"], self.headers["X-Vault-Namespace"]))
            status, body, headers = answers.get(self.path, (404, b'{"errors":[]}', {}))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Door) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("VAULT_ADDR", "VAULT_TOKEN", "VAULT_NAMESPACE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "body", [{"data": FIELDS}, {"data": {"data": FIELDS, "metadata": {"version": 3}}}], ids=["one", "two"]
)
def test_both_versions_of_the_engine_are_read(body: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with vault({f"/v1/{PATH}": (200, json.dumps(body).encode(), {})}) as (address, asked):
        monkeypatch.setenv("VAULT_ADDR", address)
        monkeypatch.setenv("VAULT_TOKEN", "t")
        monkeypatch.setenv("VAULT_NAMESPACE", "team")
        assert config().credentials() == ("k", "s")
        assert asked == [(f"/v1/{PATH}", "t", "team")]


def test_a_token_of_vault_login_is_taken_from_the_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    body = json.dumps({"data": FIELDS}).encode()
    with vault({f"/v1/{PATH}": (200, body, {})}) as (address, asked):
        monkeypatch.setenv("VAULT_ADDR", address)
        with pytest.raises(SwarmError, match="no Vault token"):
            credentials(config())
        (tmp_path / ".vault-token").write_text("from-login\n")
        assert credentials(config()) == ("k", "s") and asked[0][1] == "from-login"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((403, b"{}", {}), "answered 403"),
        ((404, b"{}", {}), "answered 404"),
        ((302, b"", {"Location": "http://127.0.0.1:9/elsewhere"}), "answered 302"),
        ((200, b"not json", {}), "cannot be read"),
        ((200, b"[]", {}), "has no api_key"),
        ((200, b'{"data": {"api_key": "k"}}', {}), "has no api_secret"),
        ((200, b'{"data": {"api_key": 5, "api_secret": "s"}}', {}), "has no api_key"),
    ],
)
def test_what_vault_cannot_give_is_said_in_one_line(
    answer: tuple[int, bytes, dict[str, str]], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with vault({f"/v1/{PATH}": answer}) as (address, _):
        monkeypatch.setenv("VAULT_ADDR", address)
        monkeypatch.setenv("VAULT_TOKEN", "t")
        with pytest.raises(SwarmError, match=words) as told:
            credentials(config())
    assert told.value.code == ExitCode.WRONG_KEY and "\n" not in str(told.value)


def test_a_vault_that_is_down_or_in_the_clear_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "t")
    for address in ("", "http://vault.example.com", "ftp://127.0.0.1"):
        monkeypatch.setenv("VAULT_ADDR", address)
        with pytest.raises(ConfigError, match="VAULT_ADDR"):
            credentials(config())
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:1")
    with pytest.raises(SwarmError, match="cannot be read"):
        credentials(config())


@pytest.mark.parametrize(
    "changes",
    [
        {"vault_path": None},
        {"vault_path": None, "api_key_env": "K"},
        {"api_key_env": "K", "api_secret_env": "S"},
    ],
)
def test_keys_come_from_one_place(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="vault_path"):
        config(**changes)


def test_a_key_that_can_withdraw_is_refused_and_for_real_money_one_that_may() -> None:
    real = config(simulated=False)
    for one, can_withdraw in ((config(), True), (real, True), (real, None)):
        with pytest.raises(SwarmError, match="withdraw") as told:
            refuse_withdrawals(one, can_withdraw)
        assert told.value.code == ExitCode.WRONG_KEY
    for one, can_withdraw in ((config(), False), (config(), None), (real, False)):
        refuse_withdrawals(one, can_withdraw)


def test_a_third_secret_comes_from_where_the_others_do(monkeypatch: pytest.MonkeyPatch) -> None:
    named = {"vault_path": None, "api_key_env": "K", "api_secret_env": "S"}
    assert passphrase(config(**named)) == ""
    with pytest.raises(SwarmError, match="P is not set"):
        passphrase(config(**named, api_password_env="P"))
    monkeypatch.setenv("P", "words")
    assert passphrase(config(**named, api_password_env="P")) == "words"
    body = json.dumps({"data": {**FIELDS, "api_password": "kept"}}).encode()
    with vault({f"/v1/{PATH}": (200, body, {})}) as (address, _):
        monkeypatch.setenv("VAULT_ADDR", address)
        monkeypatch.setenv("VAULT_TOKEN", "t")
        assert passphrase(config()) == "kept"

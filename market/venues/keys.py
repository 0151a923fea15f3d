"""An account's key and secret, by name: from the environment or from Vault, never from a file of ours."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from domain.errors import ConfigError, ExitCode, SwarmError

if TYPE_CHECKING:
    from market.venues.config import VenueConfig

VAULT_TIMEOUT_S = 5.0
ANSWER_BYTES_MAX = 1 << 20
KEY_FIELD, SECRET_FIELD, PASSWORD_FIELD = "api_key", "api_secret", "api_password"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def credentials(config: VenueConfig) -> tuple[str, str]:
    """Read key and secret from where the config says that they are."""
    if config.vault_path is not None:
        fields = _vault_secret(config.name, config.vault_path)
        return tuple(_field(config, fields, name) for name in (KEY_FIELD, SECRET_FIELD))  # type: ignore[return-value]
    return _variable(config, config.api_key_env), _variable(config, config.api_secret_env)


def passphrase(config: VenueConfig) -> str:
    """Read the third secret that some exchanges want, empty where the config names none."""
    if config.vault_path is not None:
        return str(_vault_secret(config.name, config.vault_path).get(PASSWORD_FIELD) or "")
    return _variable(config, config.api_password_env) if config.api_password_env != "" else ""


def refuse_withdrawals(config: VenueConfig, can_withdraw: bool | None) -> None:
    """Refuse a key that can take money out, and for real money also one of which that is not known."""
    if can_withdraw is False or (can_withdraw is None and config.simulated):
        return
    why = "can withdraw" if can_withdraw else "may be able to withdraw: the venue does not tell"
    raise SwarmError(
        f"the key of account {config.account} {why}",
        where=config.name,
        mend="make a key at the venue that may read and trade, and nothing else",
        code=ExitCode.WRONG_KEY,
    )


def _variable(config: VenueConfig, variable: str) -> str:
    value = os.environ.get(variable, "")
    if value == "":
        raise _missing(
            config.name,
            f"environment variable {variable} is not set",
            f"export {variable} with the account's key before starting",
        )
    return value


def _field(config: VenueConfig, fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or value == "":
        raise _missing(
            config.name, f"the Vault secret {config.vault_path} has no {name}", f"add {name} to it"
        )
    return value


def _missing(where: str, what: str, mend: str) -> SwarmError:
    return SwarmError(what, where=where, mend=mend, code=ExitCode.WRONG_KEY)


def _vault_secret(where: str, path: str) -> dict[str, Any]:
    """Read one secret of Vault's key-value engine, of either version."""
    address = os.environ.get("VAULT_ADDR", "")
    place = urlsplit(address)
    if place.scheme != "https" and not (place.scheme == "http" and place.hostname in _LOOPBACK):
        raise ConfigError(
            f"VAULT_ADDR is {address!r}",
            where=where,
            mend="export VAULT_ADDR=https://… (http only on loopback)",
        )
    headers = {"X-Vault-Token": _vault_token(where), "X-Vault-Request": "true"}
    if namespace := os.environ.get("VAULT_NAMESPACE"):
        headers["X-Vault-Namespace"] = namespace
    url = f"{address.rstrip('/')}/v1/{quote(path.strip('/'))}"
    data = _answer(where, path, urllib.request.Request(url, headers=headers)).get("data")
    if isinstance(data, dict) and isinstance(data.get("data"), dict) and "metadata" in data:
        data = data["data"]
    return data if isinstance(data, dict) else {}


def _vault_token(where: str) -> str:
    kept = Path.home() / ".vault-token"
    token = os.environ.get("VAULT_TOKEN", "") or (kept.read_text("utf-8").strip() if kept.is_file() else "")
    if token == "":
        raise _missing(where, "there is no Vault token", "export VAULT_TOKEN, or run `vault login`")
    return token


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A token is for the address that it was given for."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _answer(where: str, path: str, request: urllib.request.Request) -> dict[str, Any]:
    try:
        # The scheme was checked above, and proxies of the environment are not for secrets.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)
        with opener.open(request, timeout=VAULT_TIMEOUT_S) as response:
            answer = json.loads(response.read(ANSWER_BYTES_MAX))
    except urllib.error.HTTPError as error:
        error.close()
        mend = {403: "give a token whose policy may read it", 404: "write the secret, or mend vault_path"}
        raise _missing(
            where, f"Vault answered {error.code} for {path}", mend.get(error.code, "see Vault's own log")
        ) from None
    except (OSError, ValueError) as error:
        reason = f"{error}".replace("\n", " ")[:120]
        raise _missing(
            where, f"Vault cannot be read: {reason}", "start or unseal it, or mend VAULT_ADDR"
        ) from None
    return answer if isinstance(answer, dict) else {}

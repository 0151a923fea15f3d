"""Signatures, nonces and tokens."""

from __future__ import annotations

import pytest

from sim.exchange.kraken.errors import KrakenError
from sim.exchange.kraken.keys import TOKEN_S, Keyring, Tokens, signature
from sim.exchange.kraken.limits import S_NS
from sim.exchange.sign import ApiKey

SECRET = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
PATH = "/0/private/AddOrder"
BODY = "nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"


def ring(secret: str = SECRET) -> Keyring:
    return Keyring({"key": ApiKey(3, secret.encode())})


def test_the_documentations_example_is_signed_as_there() -> None:
    wanted = "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="
    assert signature(SECRET, PATH, "1616492376594", BODY) == wanted


def test_a_nonce_must_rise_and_only_a_good_signature_uses_it_up() -> None:
    keys = ring()

    def ask(nonce: str, sign: str | None = None) -> int:
        body = f"nonce={nonce}"
        made = signature(SECRET, PATH, nonce, body) if sign is None else sign
        return keys.owner("key", made, PATH, nonce, body).account

    assert ask("5") == 3
    for stale in ("5", "4"):
        with pytest.raises(KrakenError, match="EAPI:Invalid nonce"):
            ask(stale)
    with pytest.raises(KrakenError, match="EAPI:Invalid signature"):
        ask("9", "wrong")
    assert ask("6") == 3


@pytest.mark.parametrize("nonce", [None, "", "-1", "1.5", "x", "²", str(1 << 64)])
def test_a_nonce_that_is_no_number_is_refused(nonce: str | None) -> None:
    with pytest.raises(KrakenError, match="EAPI:Invalid nonce"):
        ring().owner("key", "", PATH, nonce, "")


def test_unknown_keys_and_secrets_that_are_no_base64_are_refused() -> None:
    for key in (None, "other"):
        with pytest.raises(KrakenError, match="EAPI:Invalid key"):
            ring().owner(key, "", PATH, "1", "")
    with pytest.raises(KrakenError, match="EAPI:Invalid signature"):
        ring("not base64!").owner("key", "", PATH, "1", "")


def test_tokens_differ_end_and_are_forgotten() -> None:
    tokens = Tokens()
    first, second = tokens.make(1, b"s", 0), tokens.make(2, b"s", 0)
    assert first != second
    assert tokens.account(second, TOKEN_S * S_NS) == 2
    with pytest.raises(KrakenError, match="ESession:Invalid session"):
        tokens.account(first, TOKEN_S * S_NS + 1)
    tokens.make(1, b"s", 2 * TOKEN_S * S_NS)
    for unknown in (second, None, 7):
        with pytest.raises(KrakenError, match="ESession:Invalid session"):
            tokens.account(unknown, 0)

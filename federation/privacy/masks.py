"""Masks that cancel: two regions agree on a key, stretch it, and one adds what the other takes away."""

from __future__ import annotations

import numpy as np
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from federation.privacy.fixed_point import Words

KEY_BYTES = 32


def public_of(secret: bytes) -> bytes:
    """Give the public half of a secret key."""
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def usable(public: bytes) -> bool:
    """Tell whether anybody can agree on a key with this one: a few points give every side nothing."""
    try:
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        return False
    return True


def agreed(secret: bytes, other_public: bytes, purpose: bytes) -> bytes:
    """Give the key that both sides of a pair come to, one for each purpose."""
    shared = X25519PrivateKey.from_private_bytes(secret).exchange(
        X25519PublicKey.from_public_bytes(other_public)
    )
    return HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=purpose).derive(shared)


def stretched(key: bytes, count: int) -> Words:
    """Stretch a key into words that nobody without it can tell from noise; a key is stretched once only."""
    stream = Cipher(algorithms.ChaCha20(key, bytes(16)), mode=None).encryptor()
    return np.frombuffer(stream.update(bytes(8 * count)), "<u8").astype(np.uint64)

"""A sum of which nobody sees a term: Bonawitz et al. 2017, for clients that are curious and may vanish.

Four steps: everybody shows two public keys; everybody deals shares of its mask key and of its own seed,
sealed for each peer; everybody sends its words under a mask of its own and one with each peer; and the
survivors give the server either the share of a peer's seed (it sent) or of its mask key (it did not), never
both.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping

import msgspec
import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from federation.privacy.fixed_point import Words
from federation.privacy.masks import KEY_BYTES, agreed, public_of, stretched
from federation.privacy.shamir import SHARE_BYTES, joined, split

CLIENTS_MIN = 3
_SEAL, _MASK = b"swarm seal", b"swarm mask"
_ONCE = bytes(12)  # a nonce may be fixed where a key seals one message


class SecureSumFailed(Exception):
    """Too few are left, or somebody asks for what would uncover a client: there is no sum."""


class Keys(msgspec.Struct, frozen=True):
    """A client's public keys: one to seal shares for it, one to agree on masks."""

    seal: bytes
    mask: bytes


def threshold_of(count: int) -> int:
    """Give how many must stay: more than half, so that two answers of two halves cannot both be had."""
    return count // 2 + 1


class SecureClient:
    """One client's part in one sum; every key is used for this one only."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._seal, self._mask, self._seed = (secrets.token_bytes(KEY_BYTES) for _ in range(3))
        self._peers: dict[str, Keys] = {}
        self._sealed: dict[str, bytes] = {}
        self._masked = self._answered = False

    def keys(self) -> Keys:
        """Show the public keys."""
        return Keys(public_of(self._seal), public_of(self._mask))

    def deal(self, peers: Mapping[str, Keys]) -> dict[str, bytes]:
        """Deal shares of the mask key and of the seed, sealed for each peer."""
        if len(peers) < CLIENTS_MIN or peers.get(self.name) != self.keys() or self._peers:
            raise SecureSumFailed(f"{self.name} does not deal among {len(peers)}")
        self._peers = dict(sorted(peers.items()))
        count, threshold = len(peers), threshold_of(len(peers))
        keys, seeds = split(self._mask, count, threshold), split(self._seed, count, threshold)
        return {
            peer: self._box(self.name, peer).encrypt(_ONCE, keys[place] + seeds[place], None)
            for place, peer in enumerate(self._peers, 1)
        }

    def masked(self, words: Words, sealed: Mapping[str, bytes]) -> Words:
        """Hide the words under masks with all whose shares came."""
        if (
            self._masked
            or len(sealed) < threshold_of(len(self._peers))
            or not sealed.keys() <= self._peers.keys()
        ):
            raise SecureSumFailed(f"{self.name} does not send to {len(sealed)}")
        self._sealed, self._masked = dict(sealed), True
        total = words + stretched(self._seed, len(words))
        for peer in sealed:
            if peer != self.name:
                mask = stretched(agreed(self._mask, self._peers[peer].mask, _MASK), len(words))
                total = total + mask if self.name < peer else total - mask
        return total

    def uncover(self, survivors: Iterable[str]) -> dict[str, bytes]:
        """Give a share of the seed of each survivor and of the mask key of each that is gone; once."""
        alive = set(survivors)
        known = alive <= self._sealed.keys() and self.name in alive
        if self._answered or not known or len(alive) < threshold_of(len(self._peers)):
            raise SecureSumFailed(f"{self.name} does not uncover for {len(alive)}")
        self._answered = True
        return {peer: self._share(peer, of_seed=peer in alive) for peer in self._sealed}

    def _share(self, peer: str, *, of_seed: bool) -> bytes:
        try:
            both = self._box(peer, self.name).decrypt(_ONCE, self._sealed[peer], None)
        except InvalidTag:
            raise SecureSumFailed(f"what {peer} dealt to {self.name} was changed") from None
        return both[SHARE_BYTES:] if of_seed else both[:SHARE_BYTES]

    def _box(self, dealer: str, peer: str) -> ChaCha20Poly1305:
        """Open the box from one to the other: its key is for this direction and this one message."""
        other = self._peers[peer if dealer == self.name else dealer]
        return ChaCha20Poly1305(agreed(self._seal, other.seal, _SEAL + f" {dealer}>{peer}".encode()))


class SecureServer:
    """The server's part: it passes on what it cannot read, and ends up with the sum alone."""

    def __init__(self) -> None:
        self.peers: dict[str, Keys] = {}
        self._dealt: dict[str, Mapping[str, bytes]] = {}
        self._masked: dict[str, Words] = {}

    def meet(self, peers: Mapping[str, Keys]) -> dict[str, Keys]:
        """Take the public keys and give them to all."""
        if len(peers) < CLIENTS_MIN:
            raise SecureSumFailed(f"{len(peers)} clients cannot hide behind each other")
        self.peers = dict(sorted(peers.items()))
        return self.peers

    def pass_on(self, dealt: Mapping[str, Mapping[str, bytes]]) -> dict[str, dict[str, bytes]]:
        """Give every client what the others dealt to it."""
        self._need(dealt, "dealt")
        self._dealt = dict(dealt)
        return {peer: {dealer: shares[peer] for dealer, shares in dealt.items()} for peer in dealt}

    def survivors(self, masked: Mapping[str, Words]) -> list[str]:
        """Take the masked words and name those who sent them."""
        self._need(masked, "sent")
        self._masked = dict(masked)
        return sorted(masked)

    def total(self, uncovered: Mapping[str, Mapping[str, bytes]]) -> Words:
        """Take the masks off the sum."""
        self._need(uncovered, "stayed")
        places = {name: place for place, name in enumerate(self.peers, 1)}
        count = len(next(iter(self._masked.values())))
        total = np.zeros(count, np.uint64)
        for words in self._masked.values():
            total += words
        for dealer in self._dealt:
            secret = joined({places[name]: shares[dealer] for name, shares in uncovered.items()})
            if dealer in self._masked:
                total -= stretched(secret, count)
            else:
                total += self._left_over(dealer, secret, count)
        return total

    def _left_over(self, gone: str, secret: bytes, count: int) -> Words:
        """Give the other half of what the survivors masked with one that is gone."""
        if public_of(secret) != self.peers[gone].mask:
            raise SecureSumFailed(f"the shares of {gone} do not make its key")
        total = np.zeros(count, np.uint64)
        for name in self._masked:
            mask = stretched(agreed(secret, self.peers[name].mask, _MASK), count)
            total = total + mask if gone < name else total - mask
        return total

    def _need(self, who: Mapping[str, object], what: str) -> None:
        if len(who) < threshold_of(len(self.peers)) or not who.keys() <= self.peers.keys():
            raise SecureSumFailed(f"{len(who)} of {len(self.peers)} {what}")

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
from federation.privacy.masks import KEY_BYTES, agreed, public_of, stretched, usable
from federation.privacy.shamir import SHARE_BYTES, joined, split

CLIENTS_MIN = 3
_SEAL, _MASK = b"swarm seal", b"swarm mask"
BOX_BYTES = 2 * SHARE_BYTES + 16  # two shares and a tag
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


class Secrets(msgspec.Struct):
    """What a client keeps to itself between the steps of one sum, and which steps it has done."""

    name: str
    seal: bytes
    mask: bytes
    seed: bytes
    peers: dict[str, Keys] = {}
    sealed: dict[str, bytes] = {}
    masked: bool = False
    answered: bool = False


class SecureClient:
    """One client's part in one sum; every key is used for this one only.

    `held` is what was kept of it where each step is another process's: it must be kept before a step's answer
    leaves, as no step may be done twice.
    """

    def __init__(self, name: str, held: Secrets | None = None) -> None:
        self.held = held or Secrets(name, _key(), _key(), _key())
        assert self.held.name == name, "a client has one name"

    @property
    def name(self) -> str:
        """Give the client's name."""
        return self.held.name

    def keys(self) -> Keys:
        """Show the public keys."""
        return Keys(public_of(self.held.seal), public_of(self.held.mask))

    def deal(self, peers: Mapping[str, Keys]) -> dict[str, bytes]:
        """Deal shares of the mask key and of the seed, sealed for each peer."""
        if len(peers) < CLIENTS_MIN or peers.get(self.name) != self.keys() or self.held.peers:
            raise SecureSumFailed(f"{self.name} does not deal among {len(peers)}")
        self.held.peers = dict(sorted(peers.items()))
        count, threshold = len(peers), threshold_of(len(peers))
        keys, seeds = split(self.held.mask, count, threshold), split(self.held.seed, count, threshold)
        return {
            peer: self._box(self.name, peer).encrypt(_ONCE, keys[place] + seeds[place], None)
            for place, peer in enumerate(self.held.peers, 1)
        }

    def masked(self, words: Words, sealed: Mapping[str, bytes]) -> Words:
        """Hide the words under masks with all whose shares came."""
        if (
            self.held.masked
            or len(sealed) < threshold_of(len(self.held.peers))
            or not sealed.keys() <= self.held.peers.keys()
        ):
            raise SecureSumFailed(f"{self.name} does not send to {len(sealed)}")
        self.held.sealed, self.held.masked = dict(sealed), True
        total = words + stretched(self.held.seed, len(words))
        for peer in sealed:
            if peer != self.name:
                mask = stretched(agreed(self.held.mask, self.held.peers[peer].mask, _MASK), len(words))
                total = total + mask if self.name < peer else total - mask
        return total

    def uncover(self, survivors: Iterable[str]) -> dict[str, bytes]:
        """Give a share of the seed of each survivor and of the mask key of each that is gone; once."""
        alive = set(survivors)
        known = alive <= self.held.sealed.keys() and self.name in alive
        if self.held.answered or not known or len(alive) < threshold_of(len(self.held.peers)):
            raise SecureSumFailed(f"{self.name} does not uncover for {len(alive)}")
        self.held.answered = True
        return {peer: self._share(peer, of_seed=peer in alive) for peer in self.held.sealed}

    def _share(self, peer: str, *, of_seed: bool) -> bytes:
        try:
            both = self._box(peer, self.name).decrypt(_ONCE, self.held.sealed[peer], None)
        except InvalidTag:
            raise SecureSumFailed(f"what {peer} dealt to {self.name} was changed") from None
        return both[SHARE_BYTES:] if of_seed else both[:SHARE_BYTES]

    def _box(self, dealer: str, peer: str) -> ChaCha20Poly1305:
        """Open the box from one to the other: its key is for this direction and this one message."""
        other = self.held.peers[peer if dealer == self.name else dealer]
        return ChaCha20Poly1305(agreed(self.held.seal, other.seal, _SEAL + f" {dealer}>{peer}".encode()))


def _key() -> bytes:
    return secrets.token_bytes(KEY_BYTES)


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
        self._masked = dict(sorted(masked.items()))
        return self.alive

    @property
    def alive(self) -> list[str]:
        """Name those whose words are in the sum."""
        return list(self._masked)

    def wrong(self, part: Keys | Words | Mapping[str, bytes], count: int) -> str | None:
        """Say what makes a client's part of no use, before another's work is lost by it."""
        if isinstance(part, Keys):
            return None if usable(part.seal) and usable(part.mask) else "keys that agree with nobody"
        if isinstance(part, np.ndarray):
            return None if part.shape == (count,) else f"{part.size} words where {count} are due"
        due, size = (self._dealt, SHARE_BYTES) if self._masked else (self.peers, BOX_BYTES)
        fits = part.keys() == due.keys() and all(len(each) == size for each in part.values())
        return None if fits else "shares that are not those that are due"

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

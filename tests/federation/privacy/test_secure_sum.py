"""A sum of which nobody sees a term, also when some vanish; and what must not be had is refused."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.aggregation.mean import fedavg, shares
from federation.privacy.fixed_point import SCALE_BITS, Words, to_floats, to_words
from federation.privacy.masks import stretched
from federation.privacy.secure_mean import mean_of_words, word_count, words_of
from federation.privacy.secure_sum import (
    Keys,
    Secrets,
    SecureClient,
    SecureServer,
    SecureSumFailed,
    threshold_of,
)
from federation.privacy.shamir import joined, split
from federation.update import Update

NAMES = ("frankfurt", "nyc", "tokyo", "osaka", "zug")
COUNT = 32


def words(seed: int) -> Words:
    return np.random.default_rng(seed).integers(0, 1 << 40, COUNT).astype(np.uint64)


class Round:
    """Carry one sum as far as it is wanted."""

    def __init__(self, count: int) -> None:
        self.clients = {name: SecureClient(name) for name in NAMES[:count]}
        self.words = {name: words(place) for place, name in enumerate(self.clients)}
        self.server = SecureServer()
        self.peers = self.server.meet({name: each.keys() for name, each in self.clients.items()})

    def deal(self, without: tuple[str, ...] = ()) -> None:
        dealt = {name: each.deal(self.peers) for name, each in self.clients.items() if name not in without}
        self.boxes = self.server.pass_on(dealt)

    def send(self, without: tuple[str, ...] = ()) -> list[str]:
        masked = {
            name: self.clients[name].masked(self.words[name], box)
            for name, box in self.boxes.items()
            if name not in without
        }
        self.masked = masked
        return self.server.survivors(masked)

    def total(self, alive: list[str], without: tuple[str, ...] = ()) -> Words:
        told = {name: self.clients[name].uncover(alive) for name in alive if name not in without}
        return self.server.total(told)

    def truth(self, alive: list[str]) -> Words:
        return np.asarray(sum((self.words[name] for name in alive), np.zeros(COUNT, np.uint64)))


@pytest.mark.parametrize("count", [3, 4, 5])
def test_the_sum_is_exact(count: int) -> None:
    done = Round(count)
    done.deal()
    alive = done.send()
    np.testing.assert_array_equal(done.total(alive), done.truth(alive))


@pytest.mark.parametrize("gone", NAMES[:3])
def test_one_of_three_may_vanish_at_any_step(gone: str) -> None:
    for step in ("deal", "send", "uncover"):
        done = Round(3)
        done.deal((gone,) if step == "deal" else ())
        alive = done.send((gone,) if step == "send" else ())
        total = done.total(alive, (gone,) if step == "uncover" else ())
        np.testing.assert_array_equal(total, done.truth(alive))
        assert (gone in alive) == (step == "uncover")


def test_two_of_five_may_vanish_but_not_three() -> None:
    done = Round(5)
    done.deal()
    alive = done.send(NAMES[:2])
    np.testing.assert_array_equal(done.total(alive), done.truth(alive))
    late = Round(5)
    late.deal()
    with pytest.raises(SecureSumFailed, match="2 of 5 sent"):
        late.send(NAMES[:3])


def test_what_a_client_sends_looks_like_noise() -> None:
    done = Round(3)
    done.words = {name: np.zeros(COUNT, np.uint64) for name in done.words}
    done.deal()
    done.send()
    for masked in done.masked.values():
        ones = np.unpackbits(masked.view(np.uint8)).mean()
        assert 0.4 < ones < 0.6
    assert len({masked.tobytes() for masked in done.masked.values()}) == 3


def test_a_client_uncovers_once_and_only_for_enough() -> None:
    done = Round(3)
    done.deal()
    alive = done.send()
    client = done.clients["nyc"]
    for wrong in (["nyc"], ["frankfurt", "tokyo"], [*alive, "stranger"]):
        with pytest.raises(SecureSumFailed, match="does not uncover"):
            client.uncover(wrong)
    seeds = client.uncover(alive)
    with pytest.raises(SecureSumFailed, match="does not uncover"):
        client.uncover(["nyc", "tokyo"])
    assert set(seeds) == set(alive)


def test_two_are_too_few_to_hide() -> None:
    clients = [SecureClient(name) for name in NAMES[:2]]
    keys = {each.name: each.keys() for each in clients}
    with pytest.raises(SecureSumFailed, match="hide"):
        SecureServer().meet(keys)
    with pytest.raises(SecureSumFailed, match="does not deal"):
        clients[0].deal(keys)


def test_a_client_that_was_given_another_key_for_itself_does_not_deal() -> None:
    done = Round(3)
    swapped = {**done.peers, "nyc": Keys(b"x" * 32, b"y" * 32)}
    with pytest.raises(SecureSumFailed, match="does not deal"):
        done.clients["nyc"].deal(swapped)


def test_shares_that_were_changed_on_the_way_are_noticed() -> None:
    done = Round(3)
    done.deal()
    box = done.boxes["nyc"]
    box["tokyo"] = box["tokyo"][:-1] + bytes([box["tokyo"][-1] ^ 1])
    alive = done.send()
    with pytest.raises(SecureSumFailed, match="was changed"):
        done.clients["nyc"].uncover(alive)


def test_a_box_sent_back_to_its_dealer_does_not_open_as_each_direction_has_a_key() -> None:
    done = Round(3)
    done.deal()
    done.boxes["nyc"]["tokyo"] = done.boxes["tokyo"]["nyc"]
    alive = done.send()
    with pytest.raises(SecureSumFailed, match="was changed"):
        done.clients["nyc"].uncover(alive)


def test_a_client_masks_one_vector_only() -> None:
    done = Round(3)
    done.deal()
    done.send()
    with pytest.raises(SecureSumFailed, match="does not send"):
        done.clients["nyc"].masked(words(9), done.boxes["nyc"])


@settings(max_examples=20)
@given(st.binary(min_size=32, max_size=32), st.integers(1, 7), st.data())
def test_enough_shares_give_the_secret(secret: bytes, count: int, data: st.DataObject) -> None:
    threshold = data.draw(st.integers(1, count))
    dealt = split(secret, count, threshold)
    places = data.draw(st.permutations(sorted(dealt)))[:threshold]
    assert joined({place: dealt[place] for place in places}) == secret


def test_too_few_shares_give_nothing() -> None:
    secret = b"\x01" * 32
    for _ in range(5):
        shares = split(secret, 3, 2)
        with pytest.raises(ValueError, match="do not make"):
            joined({1: shares[1]})


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_fixed_point_is_exact_to_its_last_bit(values: list[float]) -> None:
    back = to_floats(to_words(np.array(values), 4))
    assert np.abs(back - values).max() <= 2.0 ** -(SCALE_BITS + 1)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e15])
def test_what_could_wrap_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="too large"):
        to_words(np.array([value]), 4)


def test_a_stretched_key_is_the_same_for_both_and_only_for_them() -> None:
    assert stretched(b"k" * 32, 5).tobytes() == stretched(b"k" * 32, 9)[:5].tobytes()
    assert stretched(b"k" * 32, 5).tobytes() != stretched(b"l" * 32, 5).tobytes()


def test_fedavg_under_masks_is_fedavg() -> None:
    draws = np.random.default_rng(4)
    base = [draws.normal(size=(16, 8)).astype(np.float32), np.zeros(3, np.float32)]
    learnt = [
        [(each + draws.normal(0, 0.1, each.shape)).astype(np.float32) for each in base] for _ in range(3)
    ]
    updates = [Update(name, "h", learnt[at], 100 + at) for at, name in enumerate(NAMES[:3])]
    done = Round(3)
    done.words = {each.region: words_of(each.arrays, base, each.examples) for each in updates}
    done.deal()
    arrays, examples = mean_of_words(done.total(done.send()), base)
    open_mean = fedavg(updates, shares([each.examples for each in updates]), base)
    for mine, other in zip(arrays, open_mean, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-6)
        assert mine.dtype == other.dtype
    assert examples == 303 and len(done.words["nyc"]) == word_count(base)


def test_a_sum_over_nobodys_examples_has_no_mean() -> None:
    base = [np.zeros(3, np.float32)]
    with pytest.raises(ValueError, match="sum over 0 examples"):
        mean_of_words(words_of(base, base, 0), base)


def test_what_was_kept_between_two_steps_goes_on_as_if_nothing_had_happened() -> None:
    done = Round(3)
    done.deal()
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(done.clients["nyc"].held), type=Secrets)
    done.clients["nyc"] = SecureClient("nyc", kept)
    alive = done.send()
    np.testing.assert_array_equal(done.total(alive), done.truth(alive))
    with pytest.raises(SecureSumFailed, match="does not deal"):
        SecureClient("nyc", kept).deal(done.peers)


def test_parts_of_no_use_are_told_from_those_that_are_due() -> None:
    done = Round(3)
    assert done.server.wrong(done.peers["nyc"], COUNT) is None
    for key in (bytes(32), b"short", b"\x01" + bytes(31)):
        assert done.server.wrong(Keys(key, done.peers["nyc"].mask), COUNT) == "keys that agree with nobody"
    dealt = done.clients["nyc"].deal(done.peers)
    assert done.server.wrong(dealt, COUNT) is None
    for odd in ({}, {**dealt, "zug": dealt["nyc"]}, {**dealt, "nyc": b""}):
        assert done.server.wrong(odd, COUNT) is not None
    assert done.server.wrong(words(1)[:-1], COUNT) == f"{COUNT - 1} words where {COUNT} are due"
    assert done.server.wrong(words(1), COUNT) is None


def test_more_than_half_must_stay() -> None:
    assert [threshold_of(count) for count in (3, 4, 5)] == [2, 3, 3]

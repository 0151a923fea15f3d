from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bus.frame import MESSAGES_MAX, FrameKind, asked_about, read_frame, write_ask, write_frame

U64 = st.integers(0, 2**64 - 1)


@given(U64, U64, st.lists(st.binary(max_size=40), max_size=20))
def test_a_frame_reads_back_as_it_was_written(session: int, sequence: int, messages: list[bytes]) -> None:
    frame = read_frame(write_frame(FrameKind.DATA, session, sequence, messages))
    assert frame == (FrameKind.DATA, session, sequence, messages)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_none(data: bytes) -> None:
    frame = read_frame(data)
    assert frame is None or write_frame(*frame) == data


@given(st.lists(st.binary(max_size=9), max_size=5), st.data())
def test_a_frame_cut_or_lengthened_anywhere_is_none(messages: list[bytes], data: st.DataObject) -> None:
    whole = write_frame(FrameKind.DATA, 1, 1, messages)
    assert read_frame(whole[: data.draw(st.integers(0, len(whole) - 1))]) is None
    assert read_frame(whole + b"\0") is None


def test_what_no_sender_of_ours_writes_is_none() -> None:
    assert read_frame(write_frame(9, 1, 1, [])) is None
    assert read_frame(write_frame(FrameKind.SNAPSHOT, 1, 1, [b"a", b"b"])) is None
    assert read_frame(write_frame(FrameKind.ASK, 1, 0, [b"short"])) is None
    assert read_frame(write_frame(FrameKind.DATA, 1, 1, [b""] * (MESSAGES_MAX + 1))) is None


def test_an_ask_names_the_session_it_is_about() -> None:
    frame = read_frame(write_ask(5, 2**64 - 1))
    assert frame is not None
    assert (frame.session, asked_about(frame)) == (5, 2**64 - 1)

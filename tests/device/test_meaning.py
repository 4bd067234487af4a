"""Two wordings of one question are near in meaning; strangers' questions are told apart."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from device.conversation.layers import side_by_side
from device.conversation.match import Matcher
from device.conversation.meaning import FILE, WIDTH, Meaning
from device.conversation.packed import Packed
from device.conversation.pieces import BEGIN, END, PIECES_MAX, UNKNOWN, Pieces
from device.conversation.rows import Rows
from device.conversation.sense import centred
from device.paths import assets_dir
from device.programme.load import load
from models.calibrate_answers import folders, questions
from ota.errors import Broken, Refused


@lru_cache(maxsize=1)
def meaning() -> Meaning:
    return Meaning.load(assets_dir())


@lru_cache(maxsize=3)
def matcher(shop: str) -> Matcher:
    return Matcher.of(load(folders()[shop]), meaning())


def near(one: str, other: str) -> float:
    return float(np.dot(*centred(meaning()).vectors([one, other])))


def test_meaning_knows_no_border_between_words_and_languages() -> None:
    assert near("照相怎么样", "拍照好不好") > near("照相怎么样", "电池能用多久") + 0.2
    price = near("what does the phone cost", "手机多少钱")
    assert price > 0.3 and price > near("what does the phone cost", "手机防水吗") + 0.2
    assert near("可以退货吗", "can I return it") > near("可以退货吗", "when do you close") + 0.2
    assert abs(near("普洱怎么泡", "where is the toilet")) < 0.3


def test_the_vectors_are_those_of_the_model() -> None:
    """The first six numbers of what the package's own engine finds."""
    found = meaning().vectors(["how much is the longjing?", "龙井多少钱一斤？"])[:, :6]
    assert np.allclose(found, [
        [0.0305, -0.0074, -0.0785, -0.0478, 0.0656, -0.0454],
        [0.0813, -0.0488, -0.0289, -0.0378, 0.0862, -0.0277],
    ], atol=0.002)  # fmt: skip


@pytest.mark.parametrize("text", [
    "", "  ", "🙂", "a" * 3000, "茶" * 3000, "how much " * 400, "這個多少錢", "ＷｉＦｉ", "e\u0301",
    "\0\x01\x1b[0m\u200b\ufeff", "\ud800", "<s> </s> <mask> \u2581", "\ufdfa" * 400,
])  # fmt: skip
def test_whatever_is_asked_has_a_meaning(text: str) -> None:
    pieces = meaning().pieces.encode(text)
    assert pieces[0] == BEGIN and pieces[-1] == END and len(pieces) <= PIECES_MAX
    (vector,) = meaning().vectors([text])
    assert vector.shape == (WIDTH,) and np.isclose(np.linalg.norm(vector), 1.0, atol=1e-4)


def test_text_becomes_the_pieces_of_the_vocabulary() -> None:
    """The numbers are those of the model's own tokeniser."""
    encode = meaning().pieces.encode
    assert encode("how much is the longjing?") == [0, 3642, 5045, 83, 70, 4989, 91577, 32, 2]
    assert encode("请问龙井怎么卖?") == [0, 6, 200757, 14732, 25900, 12082, 21633, 32, 2]
    assert encode("ＷｉＦｉ密碼") == [0, 36495, 142169, 2]
    assert encode("🧋 a 𠮷") == [BEGIN, 6, UNKNOWN, 10, 6, UNKNOWN, END]
    assert encode("") == encode(" \t\n") == [BEGIN, END]
    assert encode("<s>")[1:-1] != [BEGIN], "what marks a beginning cannot be said"
    assert encode("cafe\u0301") == encode("café")


def test_no_two_pieces_look_the_same_to_the_vocabulary() -> None:
    with Packed(assets_dir() / "meaning" / FILE) as packed:
        vocabulary = packed.vocabulary()
    offsets, text = vocabulary.offsets[4:-1].tolist(), vocabulary.text
    every = [text[one:other].decode() for one, other in pairwise(offsets)]
    looked_up = Pieces(vocabulary)
    assert len(every) > 249_000 and len(looked_up) == len(set(every))


def test_halves_of_bytes_are_put_in_the_order_that_the_runtime_wants() -> None:
    numbers = np.arange(32) % 16
    packed = (numbers[:16] | numbers[16:] << 4).astype(np.uint8)
    wanted = (numbers[::2] | numbers[1::2] << 4).astype(np.uint8)
    assert np.array_equal(side_by_side(packed[None]), wanted[None])


def test_two_threads_may_ask_at_once() -> None:
    """The programme's questions are prepared beside the play, which is asked meanwhile."""
    said = ["几点关门", "where are the toilets?", "这款有多重", "do you deliver to my hotel"]
    wanted = meaning().vectors(said)
    with ThreadPoolExecutor(2) as both:
        found = list(both.map(meaning().vectors, [said] * 8))
    assert all(np.array_equal(each, wanted) for each in found)


def test_questions_that_no_tuning_saw() -> None:
    """The floor under docs/understanding.md's figures: every second one of the 254 questions."""
    right = wrong = asked = false = others = 0
    for shop, wanted, question in list(questions("held_out"))[::2]:
        found = matcher(shop).match(question).answer_id
        if wanted:
            asked, right, wrong = (
                asked + 1, right + (found == wanted), wrong + (found not in (wanted, None))
            )  # fmt: skip
        else:
            others, false = others + 1, false + (found is not None)
    assert asked >= 75 and others >= 40
    assert right / asked >= 0.88
    assert wrong <= 1 and false <= 1


@pytest.mark.parametrize("shop", ["phones", "skin-care", "tea-shop"])
def test_the_programmes_own_questions_stay_its_own(shop: str) -> None:
    for answer in load(folders()[shop]).answers:
        for phrases in answer.ask.values():
            for phrase in phrases:
                assert matcher(shop).match(phrase).answer_id == answer.id, phrase


def test_another_product_is_not_guessed_by_meaning() -> None:
    assert matcher("tea-shop").match("多少钱").answer_id is None
    assert matcher("tea-shop").match("龙井和普洱多少钱").answer_id is None
    assert matcher("phones").match("128G的新星要多少钱").answer_id is None


def test_a_missing_or_damaged_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="models fetch"):
        Meaning.load(tmp_path)
    folder = tmp_path / "meaning"
    folder.mkdir()
    path = folder / FILE
    whole = (assets_dir() / "meaning" / FILE).read_bytes()
    path.write_bytes(whole)
    # Without its last byte, in the middle of layers, embeddings, directory, vocabulary, header.
    for size in (len(whole) - 1, 60_000_000, 30_000_000, 4_635_000, 3_000_000, 900, 40, 0):
        os.truncate(path, size)
        with pytest.raises(Refused, match=r"damaged.*models fetch"):
            Meaning.load(tmp_path)
    # Another kind of file, other sizes, endless vocabulary, pieces out of order.
    for at, other in ((0, b"PK"), (8, b"\0"), (44, b"\xff" * 4), (76, b"\xff" * 4)):
        path.write_bytes(whole[:at] + other + whole[at + len(other) : 1 << 20])
        with pytest.raises(Refused, match=r"damaged.*models fetch"):
            Meaning.load(tmp_path)


def test_an_array_that_is_not_what_the_network_needs_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "meaning"
    folder.mkdir()
    whole = bytearray((assets_dir() / "meaning" / FILE).read_bytes())
    at = whole.index(b"l3.fo.w")
    for place, other in ((at, b"l3.xx.w"), (at + 7, b"\0"), (at + 12, b"\xff" * 8)):
        there = bytes(whole[place : place + len(other)])
        whole[place : place + len(other)] = other
        (folder / FILE).write_bytes(whole)
        with pytest.raises(Refused, match=r"damaged.*models fetch"):
            Meaning.load(tmp_path)
        whole[place : place + len(other)] = there


def test_vectors_are_kept_for_the_next_process_and_a_torn_file_is_made_again(
    tmp_path: Path,
) -> None:
    keeping, said = replace(meaning(), folder=tmp_path), ["几点关门", "where are the toilets?"]
    made = keeping.kept_vectors("said", said)
    (kept,) = tmp_path.iterdir()
    assert np.array_equal(made, meaning().vectors(said))
    assert np.array_equal(made, keeping.kept_vectors("said", said))
    kept.write_bytes(kept.read_bytes()[:100])
    assert np.array_equal(made, keeping.kept_vectors("said", said)), "torn by a cut"
    keeping.kept_vectors("said", said[:1])
    assert len(list(tmp_path.iterdir())) == 1, "an older one is not kept for ever"
    nowhere = replace(meaning(), folder=tmp_path / "read" / "only")
    assert np.array_equal(made, nowhere.kept_vectors("said", said))


def test_the_embeddings_stay_in_the_file_and_one_that_is_lost_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.bin"
    numbers = np.random.default_rng(5).integers(0, 16, (3, 64))
    data = b"head"
    for row in numbers:
        for scale, block in ((0.5, row[:32]), (2.0, row[32:])):
            data += np.float16(scale).tobytes()
            data += (block[:16] | block[16:] << 4).astype(np.uint8).tobytes()
    path.write_bytes(data)
    rows = Rows(path, 4, 64)
    wanted = (numbers - 8) * np.repeat([0.5, 2.0], 32)
    assert np.array_equal(rows[[2, 0, 0]], wanted[[2, 0, 0]].astype(np.float32))
    path.write_bytes(data[:50])
    with pytest.raises(Broken, match="cannot be read"):
        rows[[2]]

"""One template from any file, and a hostile pickle that does nothing."""

import base64
import collections
import io
import json
import os
import pickle
import time
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from errors import RequestError, WrongWidth
from template_adapter import safe_pickle
from template_adapter.linear import unit
from template_adapter.reading import is_picture, read_bytes, read_template
from template_adapter.safe_pickle import load_array
from template_adapter.template import USUAL_LENGTH, at_raw_length, checked

VECTOR = np.random.default_rng(0).normal(size=512).astype(np.float32)


def npy(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def npz(save=np.savez, **arrays):
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


GOOD = {
    "npy": npy(VECTOR),
    "npy of one row": npy(VECTOR[None].astype(np.float64)),
    "npz": npz(embedding=VECTOR),
    "npz, compressed": npz(np.savez_compressed, embedding=VECTOR),
    "json": json.dumps(VECTOR.tolist()).encode(),
    "json by name": json.dumps({"embedding": VECTOR.tolist(), "person": "ada"}).encode(),
    "numbers between commas": ",".join(map(str, VECTOR.tolist())).encode() + b"\n",
    "numbers in lines": "\n".join(map(str, VECTOR.tolist())).encode(),
    "base64 of floats": base64.b64encode(VECTOR.tobytes()),
    "json after a byte-order mark": b"\xef\xbb\xbf" + json.dumps(VECTOR.tolist()).encode(),
    "base64 of doubles": base64.b64encode(VECTOR.astype(np.float64).tobytes()),
    "base64 in lines": base64.encodebytes(VECTOR.tobytes()),
    "base64 for urls": base64.urlsafe_b64encode(VECTOR.tobytes()).rstrip(b"="),
    "base64 of npy": base64.b64encode(npy(VECTOR)),
    "base64 of a pickle": base64.b64encode(pickle.dumps(VECTOR)),
    "pickle of big-endian": pickle.dumps(VECTOR.astype(">f8")),
    "pickle of a column": pickle.dumps(np.asfortranarray(VECTOR.reshape(512, 1))),
    "pickle of a list": pickle.dumps(VECTOR.tolist()),
    **{f"pickle {protocol}": pickle.dumps(VECTOR, protocol) for protocol in range(6)},
}


@pytest.mark.parametrize("data", GOOD.values(), ids=GOOD)
def test_every_form_gives_the_same_numbers(data):
    found = read_template(data)
    assert found.shape == (512,) and found.dtype == np.float32
    np.testing.assert_allclose(found, VECTOR, rtol=1e-6)


class Runs:
    """What attackers pickle."""

    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


def opcodes(*parts):
    return b"\x80\x02" + b"".join(parts) + b"."


ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
FLOATS = b"cnumpy\ndtype\nX\x02\x00\x00\x00f4\x89\x88\x87R"

HOSTILE = {
    "a key of nested tuples": opcodes(b"})", b"2\x86" * 27, b"Ns"),
    "a set of nested tuples": b"\x80\x04\x8f()" + b"\x94h\x00h\x00\x86" * 27 + b"\x90.",
    "nested tuples in a frozen set": b"\x80\x04()" + b"2\x86" * 27 + b"\x91.",
    "a shape of many axes": opcodes(
        ARRAY, b"(K\x01(J\x00\x00\x10\x00q\x01", b"h\x01" * 199_999, b"t", FLOATS, b"\x89C\x04abcdtb"
    ),
    "a terabyte of nothing": b"\x80\x05\x96" + (2**40).to_bytes(8, "little") + b"abc.",
    "os.system": pickle.dumps(Runs(os.system, "touch hacked")),
    "eval": pickle.dumps(Runs(eval, "open('hacked', 'w').close()")),
    "inside a list": pickle.dumps([Runs(os.system, "touch hacked"), VECTOR]),
    "before the array": pickle.dumps((Runs(open, "hacked", "w"), VECTOR)),
    "object array": pickle.dumps(np.array([Runs(os.system, "touch hacked")], dtype=object)),
    "empty object array": pickle.dumps(np.array([], dtype=object)),
    "another class": pickle.dumps(collections.OrderedDict(a=1)),
    "attribute of a name": opcodes(b"cnumpy\nndarray.__subclasses__\n"),
    "numpy loader": pickle.dumps(Runs(np.load, "hacked", None, True)),
    "numpy testing": opcodes(b"cnumpy.testing\nrundocs\n"),
    "state for a function": opcodes(
        b"c_codecs\nencode\n", b"N}X\x0c\x00\x00\x00__defaults__X\x04\x00\x00\x00evils\x86b"
    ),
    "state for a class": opcodes(b"cnumpy\nndarray\n", b"N}X\x04\x00\x00\x00evilK\x01s\x86b"),
    "persistent name": opcodes(b"Phacked\n"),
    "extension": opcodes(b"\x82\x01"),
    "a memo of sixteen billion": b"\x80\x02]r\xff\xff\xff\xff.",
    "an array of terabytes": pickle.dumps(Runs(np.ndarray, (10**12,))),
    "a shape larger than its bytes": pickle.dumps(VECTOR).replace(b"M\x00\x02", b"M\xff\xff", 1),
    "cut": pickle.dumps(VECTOR)[:-40],
    "no pickle": b"hello",
    "nothing on the stack": b"\x80\x02.",
    "a dictionary": pickle.dumps({"embedding": VECTOR}),
    "words": pickle.dumps(["a"] * 512),
    "dates": pickle.dumps(VECTOR.astype("datetime64[s]")),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_pickle_is_refused_without_side_effect(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = {name: vars(value).copy() for name, value in vars(safe_pickle).items() if isinstance(value, type)}
    started = time.process_time()
    with pytest.raises(RequestError) as told:
        load_array(data)
    assert time.process_time() - started < 2
    assert told.value.cure
    assert list(tmp_path.iterdir()) == []
    assert before == {name: vars(value) for name, value in vars(safe_pickle).items() if isinstance(value, type)}
    assert safe_pickle._latin1.__defaults__ == ("latin1",)
    with pytest.raises(RequestError):
        read_template(data)


def test_a_refused_pickle_is_told_in_one_sentence():
    for data, held in (
        (["a"], "something else"),
        ((VECTOR,), "something else"),
        (VECTOR * 1j, "objects or another dtype"),
    ):
        with pytest.raises(RequestError) as told:
            load_array(pickle.dumps(data))
        assert told.value.message == f"The pickle holds {held}, not one array of plain numbers."


def bomb():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", b"\0" * 2**26)
    return buffer.getvalue()


def deflated():
    """An archive with wrong bytes amid what is compressed, which zlib notices before the checksum does."""
    data = GOOD["npz, compressed"]
    return data[:60] + b"\xff" * 4 + data[64:]


BAD = {
    "nothing": (b"", "empty"),
    "another length": (npy(VECTOR[:128]), "128 numbers, not 512"),
    "several": (npy(np.stack([VECTOR] * 3)), "3 vectors, not one"),
    "NaN": (npy(np.where(np.arange(512) == 7, np.nan, VECTOR)), "NaN"),
    "infinite": (npy(np.where(np.arange(512) == 7, 1e300, VECTOR.astype(np.float64))), "infinite"),
    "zero": (npy(np.zeros(512)), "zero everywhere"),
    "words": (npy(np.array(["a"] * 512)), "no array of numbers"),
    "objects": (npy(np.array([None] * 512), allow_pickle=True), "objects"),
    "complex": (npy(VECTOR * 1j), "no array of numbers"),
    "cut": (npy(VECTOR)[:-9], "damaged"),
    "two in an archive": (npz(a=VECTOR, b=VECTOR), "exactly one"),
    "a bomb": (bomb(), "exactly one"),
    "a broken archive": (b"PK\x03\x04" + b"\0" * 40, "damaged"),
    "ragged json": (b"[1, [2, 3]]", "no list"),
    "json cut": (b"[1, 2", "no list"),
    "json of another name": (b'{"face": [1, 2]}', "exactly one template"),
    "json of two": (b'{"vector": [1], "template": [1]}', "exactly one template"),
    "json of true": (json.dumps([True] * 512).encode(), "no list"),
    "json of words": (json.dumps(["1"] * 512).encode(), "no list"),
    "numbers in groups": (b",".join([b"1_0"] * 512), "of no kind"),
    "decimal commas": (b";".join([b"1,5"] * 256), "of no kind"),
    "base64 of another length": (base64.b64encode(VECTOR.tobytes()[:-4]), "511 numbers, not 512"),
    "base64 of big-endian floats": (base64.b64encode(VECTOR.astype(">f4").tobytes()), "do not show"),
    "base64 of zeros": (base64.b64encode(bytes(2048)), "do not show"),
    "base64 of NaN": (base64.b64encode(np.where(np.arange(512) == 7, np.nan, VECTOR).tobytes()), "do not show"),
    "a signalling NaN": (npy(np.full(512, 0x7FF0000000000001).view(np.float64)), "NaN"),
    "a photo": (b"\xff\xd8\xff\xe0" + b"\0" * 600, "picture"),
    "base64 of a few numbers": (base64.b64encode(VECTOR[:90].tobytes()), "90 numbers, not 512"),
    "a few numbers between commas": (b"0.5, 1e-3, 2", "3 numbers, not 512"),
    "words between commas": (b"height,weight\n1,2\n", "of no kind"),
    "a whole number without end in JSON": (b"[" + b",".join([b"1" + b"0" * 400] * 512) + b"]", "no list"),
    "a header of 40 GB": (npy(VECTOR).replace(b"(512,), }" + b" " * 8, b"(10000000000,), }"), "damaged"),
    "a header that breaks off": (npy(VECTOR).replace(b"(512,)", b"(512, "), "damaged"),
    "an archive of damaged deflation": (deflated(), "damaged"),
    "a length past what float32 holds": (npy(np.full(512, 3e38)), "infinite"),
    "huge": (b"\0" * (2**20 + 1), "too large"),
}


@pytest.mark.parametrize(("data", "words"), BAD.values(), ids=BAD)
def test_what_is_no_template_is_told(data, words):
    with pytest.raises(RequestError) as told:
        read_template(data)
    assert words in told.value.message
    assert told.value.field == "template" and told.value.cure


@pytest.mark.parametrize("given", ["<f2", "<f4", "<f8"])
@pytest.mark.parametrize("width", [128, 256, 512, 1024, 2048])
@pytest.mark.parametrize("before", ["<f2", "<f4", "<f8"])
def test_bare_floats_are_never_taken_for_floats_of_another_width(given, width, before):
    """Whatever precision they had before: doubles of what was float32 end in zeros."""
    rng = np.random.default_rng(width)
    for vector in (rng.normal(size=width), rng.laplace(size=width) / width**0.5, rng.uniform(-1, 1, width)):
        stored = vector.astype(before).astype(given)
        text = base64.b64encode(stored.tobytes())
        for dimensions in (128, 256, 512, 1024, 2048, 4096):
            if dimensions == width:
                np.testing.assert_array_equal(read_template(text, dimensions=dimensions), stored.astype(np.float32))
            else:
                with pytest.raises(WrongWidth, match=f"{width} numbers, not {dimensions}"):
                    read_template(text, dimensions=dimensions)


def test_a_header_is_held_against_the_file_before_anything_is_reserved():
    tracemalloc.start()
    try:
        with pytest.raises(RequestError):
            read_template(BAD["a header of 40 GB"][0])
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_a_place_without_a_name_is_told_as_it_was_given():
    with pytest.raises(RequestError, match=r"^\. cannot be read"):
        read_bytes(".")


@given(
    st.sampled_from(
        [
            "npy",
            "npz",
            "npz, compressed",
            "pickle 0",
            "pickle 2",
            "pickle 5",
            "json",
            "base64 of npy",
            "base64 of floats",
        ]
    ),
    st.lists(st.tuples(st.integers(0, 400), st.binary(min_size=1, max_size=3)), max_size=4),
    st.none() | st.integers(0, 1500),
)
@settings(max_examples=500, derandomize=True, deadline=None)
def test_damage_anywhere_gives_a_template_or_one_typed_error(form, wounds, end):
    data = bytearray(GOOD[form])
    for place, wrong in wounds:
        data[place : place + len(wrong)] = wrong
    try:
        found = read_template(bytes(data[:end]))
    except RequestError as told:
        assert told.field == "template" and told.cure
    else:
        assert found.shape == (512,) and np.isfinite(found).all()


def test_pictures_are_known_by_their_first_bytes():
    assert is_picture(b"\x89PNG\r\n\x1a\n") and is_picture(b"\0\0\0\x18ftypheic")
    assert not any(is_picture(data) for data in GOOD.values())


def test_files_are_read_up_to_what_a_template_can_be(tmp_path):
    (tmp_path / "a.npy").write_bytes(GOOD["npy"])
    assert read_bytes(tmp_path / "a.npy") == GOOD["npy"]
    (tmp_path / "long").write_bytes(b"\0" * 2**21)
    for name in ("long", "missing"):
        with pytest.raises(RequestError):
            read_bytes(tmp_path / name)


def test_a_normalised_template_is_brought_to_the_length_of_a_raw_one():
    raw, note = at_raw_length(VECTOR)
    assert raw is VECTOR and note is None
    brought, note = at_raw_length(checked(VECTOR / np.linalg.norm(VECTOR)))
    assert np.linalg.norm(brought) == pytest.approx(USUAL_LENGTH, rel=1e-5)
    assert note is not None and "22.6" in note


def test_a_template_of_an_absurd_length_is_brought_to_that_of_a_raw_one():
    for times in (10, 1e30):
        brought, note = at_raw_length(checked(VECTOR * np.float32(times)))
        assert np.linalg.norm(brought) == pytest.approx(USUAL_LENGTH, rel=1e-5)
        assert note is not None and "22.6" in note
        np.testing.assert_allclose(unit(VECTOR * np.float32(times)), unit(VECTOR), rtol=1e-5)

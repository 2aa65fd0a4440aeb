"""A map on disk is exactly the map, and anything else is refused when it is loaded."""

from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from errors import InstantIDError, RequestError, WeightsCorrupt, WeightsMissing
from template_adapter.linear import FORMAT, About, LinearMap, load_map

RNG = np.random.default_rng(0)
ABOUT = About(source="theirs", target="ours", target_length=22.0, pairs=10, created="2026-01-02")
FITTED = LinearMap(RNG.normal(size=(512, 512)).astype(np.float32), RNG.normal(size=512).astype(np.float32), ABOUT)


@pytest.mark.parametrize("bias", [True, False])
def test_a_saved_map_is_the_map(tmp_path, bias):
    fitted = FITTED if bias else LinearMap(FITTED.matrix, None, ABOUT)
    fitted.save(tmp_path / "a.safetensors")
    fitted.save(tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    loaded = load_map(tmp_path / "a.safetensors")
    assert loaded.about == ABOUT and loaded.fingerprint == fitted.fingerprint
    vectors = RNG.normal(size=(3, 512))
    np.testing.assert_array_equal(loaded.apply(vectors), fitted.apply(vectors))


def test_whatever_maps_in_another_way_has_another_fingerprint():
    matrix, bias = FITTED.matrix[:4, :4], FITTED.bias[:4]
    longer = replace(ABOUT, target_length=23.0)
    maps = [
        *(LinearMap(matrix, bias, about) for about in (ABOUT, longer, replace(ABOUT, unit=False))),
        LinearMap(matrix[:, ::-1], bias, ABOUT),
        LinearMap(matrix, bias[::-1], ABOUT),
        LinearMap(matrix, None, ABOUT),
        LinearMap(matrix.reshape(2, 8), None, ABOUT),
        LinearMap(np.vstack([matrix, bias]), None, ABOUT),
    ]
    assert len({fitted.fingerprint for fitted in maps}) == len(maps)
    renamed = LinearMap(matrix, bias, replace(ABOUT, source="another", pairs=11))
    assert renamed.fingerprint == maps[0].fingerprint


def test_a_map_is_written_whole_and_with_the_rights_of_any_file(tmp_path):
    path = tmp_path / "a.safetensors"
    FITTED.save(path)
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
    before = path.read_bytes()
    (tmp_path / "a.safetensors.partial").mkdir()
    with pytest.raises(RequestError, match="cannot be written"):
        LinearMap(FITTED.matrix, None, ABOUT).save(path)
    assert path.read_bytes() == before


def test_a_raw_map_is_the_product():
    fitted = LinearMap(FITTED.matrix, FITTED.bias, replace(ABOUT, unit=False))
    vectors = RNG.normal(size=(3, 512)).astype(np.float32)
    np.testing.assert_allclose(fitted.apply(vectors), vectors @ FITTED.matrix + FITTED.bias, rtol=1e-5)


def test_a_mapped_template_says_where_it_comes_from():
    template = FITTED.map_template(RNG.normal(size=512))
    assert template.provenance() == {"recogniser": "theirs", "adapter": FITTED.fingerprint}
    assert np.linalg.norm(template.embedding) == pytest.approx(22.0, rel=1e-5)
    with pytest.raises(RequestError, match="is of another"):
        FITTED.map_template(RNG.normal(size=512), recogniser="another")
    with pytest.raises(RequestError, match="512"):
        FITTED.apply(np.ones(128))


def test_an_adapter_into_a_narrower_space_is_itself_at_fault():
    narrow = LinearMap(FITTED.matrix[:, :256], None, ABOUT)
    assert narrow.apply(np.ones(512)).shape == (256,)
    with pytest.raises(RequestError, match="256 numbers, the weights read 512") as told:
        narrow.map_template(np.ones(512), field="input")
    assert told.value.field == "adapter"


GIVEN = '{"source": "a", "target": "b", "target_length": 22.0}'


GOOD = np.eye(4, dtype=np.float32)


@pytest.mark.parametrize(
    ("tensors", "metadata"),
    [
        ({"matrix": GOOD}, {"another format": GIVEN}),
        ({"matrix": GOOD}, {FORMAT: "not json"}),
        ({"matrix": GOOD}, {FORMAT: "[]"}),
        ({"matrix": GOOD}, {FORMAT: '{"source": "a", "target": "b"}'}),
        ({"weight": GOOD}, {FORMAT: GIVEN}),
        ({"matrix": GOOD, "more": GOOD}, {FORMAT: GIVEN}),
        ({"matrix": GOOD.astype(np.float64)}, {FORMAT: GIVEN}),
        ({"matrix": GOOD[0]}, {FORMAT: GIVEN}),
        ({"matrix": GOOD * np.nan}, {FORMAT: GIVEN}),
        ({"matrix": GOOD, "bias": np.zeros(3, np.float32)}, {FORMAT: GIVEN}),
    ],
)
def test_another_file_is_refused(tmp_path, tensors, metadata):
    save_file(tensors, tmp_path / "a.safetensors", metadata=metadata)
    with pytest.raises(WeightsCorrupt) as told:
        load_map(tmp_path / "a.safetensors")
    assert told.value.field == "adapter" and told.value.cure


def test_damage_and_absence_are_told_apart(tmp_path):
    FITTED.save(tmp_path / "a.safetensors")
    whole = (tmp_path / "a.safetensors").read_bytes()
    for cut in (0, 4, 100, len(whole) // 2):
        (tmp_path / "cut.safetensors").write_bytes(whole[:cut])
        with pytest.raises(WeightsCorrupt):
            load_map(tmp_path / "cut.safetensors")
    with pytest.raises(WeightsMissing):
        load_map(tmp_path / "none.safetensors")
    with pytest.raises(InstantIDError):
        FITTED.save(tmp_path / "no folder" / "a.safetensors")

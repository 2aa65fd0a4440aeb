"""Face models on OpenVINO, found and described as onnxruntime does."""

import numpy as np
import pytest

from errors import WeightsMissing
from face.analyzer import FaceAnalyzer
from face.photo import open_photo
from openvino_backend.faces import session_of
from openvino_backend.runtime import Export
from tests.openvino_backend.tiny_export import EXACT
from weights.registry import ASSETS


def test_the_same_faces_as_with_onnxruntime(exported, sources):
    export = Export(exported, EXACT)
    theirs = FaceAnalyzer(sources.face_pack, det_size=192)
    ours = FaceAnalyzer(sources.face_pack, det_size=192, session=lambda file: session_of(export, file))
    assert all(names == ["OpenVINO CPU"] for names in ours.active_providers().values())
    for name in ("person_1", "group"):
        photo = open_photo(ASSETS / f"examples/{name}.jpg")
        wanted, found = theirs.find(photo), ours.find(photo)
        assert len(found) == len(wanted) > 0
        for one, other in zip(found, wanted, strict=True):
            assert np.abs(one.keypoints - other.keypoints).max() < 0.05
            cosine = one.embedding @ other.embedding
            assert cosine / np.linalg.norm(one.embedding) / np.linalg.norm(other.embedding) > 0.9999


def test_another_pack_is_told(exported, tmp_path):
    with pytest.raises(WeightsMissing, match=r"glintr100.onnx was not exported"):
        session_of(Export(exported, EXACT), tmp_path / "glintr100.onnx")

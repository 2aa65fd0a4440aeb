"""POST /generate-identity-body: a person's figure in words, with the photos' face high in the picture."""

import io
import time

import httpx2
import pytest
from PIL import Image

from outputs.metadata import read_settings

URL = "/api/v1/generate-identity-body"


def test_the_answer_has_everything_that_clients_expect(serve, jpeg) -> None:
    served = serve()
    answer = served.client.post(
        URL,
        files={"face_image": ("user_photo.jpg", jpeg)},
        data={
            "body_type": "athletic",
            "height_cm": "170",
            "weight_kg": "65",
            "gender": "female",
            "num_images": "2",
            "use_gemini_analysis": "true",
            "seed": "5",
            "guidance_scale": "0",
        },
    )
    told = answer.json()
    assert answer.status_code == 200, told
    assert told["success"] is True
    assert told["count"] == 2
    assert told["method"] == "instantid"
    assert told["analysis"]["gender"] == "female"
    assert told["analysis"].keys() == {"skin_tone", "ethnicity", "age", "gender"}
    assert "Gemini is not set up" in told["note"]
    assert "negative_prompt" not in told["note"]
    assert "the figure below the head is drawn" in told["note"]
    assert all(image["height"] > 1.8 * image["width"] for image in told["images"])
    assert [image["seed"] for image in told["images"]] == [5, 6]
    for image in told["images"]:
        assert isinstance(image["identity_score"], float)
        picture = served.client.get(image["url"])
        assert picture.status_code == 200
        assert picture.headers["content-type"] == "image/png"
        assert Image.open(io.BytesIO(picture.content)).size == (image["width"], image["height"])
    settings = read_settings(picture.content)
    assert settings is not None
    assert "woman" in settings["prompt"]
    assert "athletic" in settings["prompt"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("body_type", "round"),
        ("height_cm", "49"),
        ("height_cm", "NaN"),
        ("weight_kg", "501"),
        ("weight_kg", "inf"),
        ("gender", "x"),
        ("pose", "flying"),
        ("num_images", "5"),
        ("num_inference_steps", "0"),
        ("guidance_scale", "-1"),
        ("ip_adapter_scale", "9"),
        ("seed", "-1"),
        ("width", "100000"),
        ("analysis", "magic"),
        ("clothing", "x" * 400),
        ("bodytype", "slim"),
        ("num_images", "9" * 5000),
    ],
)
def test_a_bad_field_is_named(serve, jpeg, field, value) -> None:
    answer = serve(worker=None).client.post(URL, files={"face_image": jpeg}, data={field: value})
    assert answer.status_code == 422, answer.text
    told = answer.json()
    assert told["success"] is False
    assert told["error"]["field"] == field
    assert told["error"]["cure"]


def test_without_a_photo_the_field_is_named(serve) -> None:
    answer = serve(worker=None).client.post(URL, data={"body_type": "slim"})
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == "face_image"


def test_a_photo_without_a_face_is_refused_at_once(serve, engine, jpeg, monkeypatch) -> None:
    served = serve(worker=None)
    monkeypatch.setattr(engine.analyzer, "blind", True)
    answer = served.client.post(URL, files={"face_image": jpeg})
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "no_face"
    assert answer.json()["error"]["field"] == "face_image"


def test_respond_async_answers_with_the_job(serve, jpeg) -> None:
    served = serve()
    answer = served.client.post(URL, files={"face_image": jpeg}, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202
    assert served.over(answer.json()["id"])["result"]["analysis"] is not None


def test_a_caller_who_hangs_up_cancels_the_job(serve, jpeg) -> None:
    served = serve(worker=None)
    with pytest.raises(httpx2.ReadTimeout):
        served.client.post(URL, files={"face_image": jpeg}, timeout=1.0)
    for _ in range(200):
        if served.service.store.counts()["canceled"] == 1:
            break
        time.sleep(0.05)
    assert served.service.store.counts()["canceled"] == 1

"""The endpoints that make pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from api.answers import BodyAnswer, JobAnswer, Link, body_answer, job_answer
from api.asking import Deadline, Key, Linked, Owner, Prefer, Served
from api.body import FACES, BodyOptions
from api.failures import OF_CODE, answer
from api.job import Job
from api.openapi import failures, form
from api.options import JSON_FIELD, Options, options_in, validated, values_in
from api.pictures import FILE_FIELDS, named
from api.recipes import BODY, GENERATE
from api.templates import ADAPTER, EITHER, TEMPLATE, as_file
from api.uploads import read_form
from errors import InstantIDError, PhotoError, RequestError

router = APIRouter(prefix="/api/v1", tags=["pictures"])

BODY_FORM = form(
    BodyOptions,
    {FACES: (True, "One or several photos of the person's face: JPEG, PNG, WebP or HEIC.")},
    required=(FACES,),
    example={"body_type": "athletic", "height_cm": 170, "weight_kg": 65, "gender": "female", "num_images": 4},
)
GENERATE_FORM = form(
    Options,
    {
        "photos": (True, "Photos of the person."),
        "person_2": (True, "Photos of a second person in the picture."),
        "person_3": (True, "Photos of a third person."),
        "person_4": (True, "Photos of a fourth person."),
        TEMPLATE: (
            False,
            "Who it is without a photo: a stored face template as a file (.npy, .npz, a pickle of an array, base64 or "
            "JSON text), or as text: base64, or a JSON list of numbers, here or in the field `request`. Without an "
            "adapter it is taken for one of the weights' own recogniser.",
        ),
        ADAPTER: (
            False,
            "What brings the template of another recogniser into the weights' space: a file of `cli.py template fit`, "
            "or as text the name of an adapter that this deployment offers.",
        ),
        "pose": (False, "A picture whose face gives the pose."),
        "start_picture": (False, "A picture to start from."),
        "into": (False, "A photo one of whose faces becomes the person's."),
        "mask": (False, "Where `into` or `start_picture` may change, white."),
        "control_pose": (False, "The picture that the control `pose` follows."),
        "control_canny": (False, "The picture that the control `canny` follows."),
        "control_depth": (False, "The picture that the control `depth` follows."),
    },
    request={"type": "string", "description": "Some or all of the text fields as one JSON object."},
    example={"prompt": "in a blue hoodie", "style": "Watercolor", "view": "front", "seed": 7},
)
MAKING = failures(408, 409, 413, 415, 422, 429, 504, 507)
QUEUED: dict[int | str, dict[str, Any]] = {202: {"model": JobAnswer, "description": "In the queue."}}


@router.post("/generate-identity-body", response_model=BodyAnswer, responses=MAKING | QUEUED, openapi_extra=BODY_FORM)
async def generate_identity_body(
    request: Request,
    service: Served,
    owner: Owner,
    link: Linked,
    deadline: Deadline,
    key: Key = None,
    prefer: Prefer = None,
) -> Response:
    """A full-length figure with the face of the photos. Answers when the pictures are made.

    A caller that hangs up before cancels the job, unless it sent an Idempotency-Key to come back with.
    """
    await run_in_threadpool(service.require_room, key)
    sent = await read_form(request, (FACES, *EITHER), EITHER)
    for field in EITHER:
        if sent.files.get(field) or sent.fields.get(field):
            raise RequestError(
                "A figure is made from photos alone.", field=field, cure="Send templates to /api/v1/generate."
            )
    photos = named(sent.files)
    if not photos:
        cure = f"Send a photo of a face, in curl: -F {FACES}=@me.jpg"
        raise PhotoError("There is no photo.", field=FACES, cure=cure)
    document = options_in(sent.fields, BodyOptions).model_dump(mode="json", exclude_none=True)
    submit = partial(service.submit, owner, BODY, document, photos, key=key, deadline=deadline)
    job, _ = await service.inspect(submit)
    del sent, photos, submit
    request.state.body.over()
    if _later(prefer):
        return _accepted(job, link)
    job = await service.until_over(job, request.is_disconnected, leave=key is not None)
    return done_or_why(job, lambda: body_answer(job, link).model_dump())


@router.post("/generate", status_code=202, response_model=JobAnswer, responses=MAKING, openapi_extra=GENERATE_FORM)
async def generate(
    request: Request, service: Served, owner: Owner, link: Linked, deadline: Deadline, key: Key = None
) -> Response:
    """Pictures of one person or several: everything that a GenerationRequest can ask for. Answers with a job."""
    await run_in_threadpool(service.require_room, key)
    sent = await read_form(request, FILE_FIELDS, EITHER)
    photos = named(sent.files)
    values = values_in(sent.fields, Options, JSON_FIELD)
    if (written := values.pop(TEMPLATE, None)) is not None:
        if f"{TEMPLATE}.0" in photos:
            raise RequestError("A field was sent twice.", field=TEMPLATE, cure="Send it once.")
        photos |= named({TEMPLATE: [as_file(written)]})
    if ADAPTER in sent.files and f"{ADAPTER}.0" not in photos:
        raise RequestError("The adapter is empty.", field=ADAPTER, cure="Send its file again, or leave it out.")
    if not any(name.startswith(("photos.", f"{TEMPLATE}.")) for name in photos):
        raise PhotoError(
            "There is neither a photo nor a template.",
            field="photos",
            cure="Send a photo of a face, in curl: -F photos=@me.jpg, or a template: -F template=@t.npy",
        )
    document = validated(Options, values).model_dump(mode="json", exclude_defaults=True)
    submit = partial(service.submit, owner, GENERATE, document, photos, key=key, deadline=deadline)
    job, _ = await service.inspect(submit)
    return _accepted(job, link)


def done_or_why(job: Job, done: Callable[[], Mapping[str, Any]]) -> Response:
    """The answer to a caller who waited for a job."""
    if job.state == "done":
        return JSONResponse(done())
    code = job.code or "cancelled"
    error = InstantIDError(job.message or "The job was canceled.")
    error.code = code
    return answer(error, OF_CODE.get(code, 500))


def _accepted(job: Job, link: Link) -> Response:
    told = job_answer(job, link)
    return JSONResponse(told.model_dump(), status_code=202, headers={"Location": told.url})


def _later(prefer: str | None) -> bool:
    return "respond-async" in [word.strip().lower() for word in (prefer or "").split(",")]

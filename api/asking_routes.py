"""The endpoints that tell: what photos are worth, which styles there are, how the service is."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.concurrency import run_in_threadpool

from api.answers import FaceAnswer, FacesAnswer, PhotoAnswer, StateAnswer, StyleAnswer
from api.asking import Owner, Served
from api.failures import RETRY_SECONDS
from api.metrics import CONTENT_TYPE
from api.openapi import failures, form
from api.pictures import Opened, named, weigh
from api.service import Service
from api.uploads import read_form
from errors import NoFaceFound, NotReady, PhotoError, RequestError
from face.face import Face
from face.references import PhotoReport, identify

router = APIRouter()

PHOTOS = "photos"
FACES_FORM = form(None, {PHOTOS: (True, "Photos of one person.")}, required=(PHOTOS,))


@router.post(
    "/api/v1/faces",
    response_model=FacesAnswer,
    responses=failures(408, 413, 415, 422, 429),
    openapi_extra=FACES_FORM,
    tags=["photos"],
)
async def faces(request: Request, service: Served, owner: Owner) -> Response:
    """What each photo is worth as a reference, and which would be used together. Nothing is kept."""
    sent = await read_form(request, (PHOTOS,))
    if sent.fields:
        name = next(iter(sent.fields))
        raise RequestError("There is no field of this name.", field=name[:80], cure="Send photos alone.")
    photos = named(sent.files)
    if not photos:
        raise PhotoError("There is no photo.", field=PHOTOS, cure="Send photos, in curl: -F photos=@me.jpg")
    return JSONResponse((await service.inspect(lambda: _coach(service, photos))).model_dump())


@router.get("/api/v1/styles", response_model=list[StyleAnswer], responses=failures(), tags=["photos"])
async def styles(service: Served, owner: Owner) -> Response:
    """The style presets, by group."""
    listed = [
        StyleAnswer(name=s.name, group=s.group, prompt=s.prompt, negative=s.negative)
        for s in service.studio.styles.values()
    ]
    return JSONResponse([one.model_dump() for one in listed])


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", tags=["health"], response_class=PlainTextResponse)
async def live() -> str:
    """Answers as long as the process lives."""
    return "live"


@router.get(
    "/readyz",
    tags=["health"],
    response_model=StateAnswer,
    responses={503: {"model": StateAnswer, "description": "Loading, busy or failed."}},
)
async def ready(service: Served) -> Response:
    """Whether a request would be taken: 200 when ready; 503 while loading, when the queue is full, after a failure."""
    state = await run_in_threadpool(_state, service)
    status = 200 if state.state == "ready" else 503
    headers = {} if status == 200 else {"Retry-After": str(RETRY_SECONDS)}
    return JSONResponse(state.model_dump(), status_code=status, headers=headers)


@router.get("/metrics", tags=["health"], response_class=PlainTextResponse)
async def metrics(service: Served) -> Response:
    """Figures for Prometheus."""
    counts = await run_in_threadpool(service.store.counts)
    page = service.metrics.page(counts, service.settings.queue_limit, _name_of(service, counts))
    return Response(page, media_type=CONTENT_TYPE)


def _state(service: Service) -> StateAnswer:
    counts = service.store.counts()
    studio = service.studio
    return StateAnswer(
        state=_name_of(service, counts),
        profile=studio.profile.name,
        method=studio.method,
        waiting=counts["queued"],
        running=counts["running"],
        reason=studio.reason,
    )


def _name_of(service: Service, counts: dict[str, int]) -> str:
    """The studio's state, or "busy" when it is ready and no more may wait."""
    state = service.studio.state
    return "busy" if state == "ready" and counts["queued"] >= service.settings.queue_limit else state


def _coach(service: Service, photos: dict[str, bytes]) -> FacesAnswer:
    analyzer: Any = service.studio.analyzer
    if analyzer is None:
        service.studio.require()
        raise NotReady("Faces cannot be looked for here.", cure="The operator of this service can cure it.")
    weigh(photos)
    pictures = Opened(photos, PHOTOS)
    try:
        reports = identify(pictures, analyzer).reports
    except NoFaceFound as error:
        return FacesAnswer(usable=False, photos=[_nothing(number, error) for number in range(len(pictures))])
    return FacesAnswer(usable=True, photos=[_told(report) for report in reports])


def _nothing(number: int, error: NoFaceFound) -> PhotoAnswer:
    return PhotoAnswer(
        photo=number,
        used=False,
        faces_found=0,
        face=None,
        face_px=0,
        sharpness=0,
        yaw=0,
        cosine=None,
        verdict=str(error),
    )


def _told(report: PhotoReport) -> PhotoAnswer:
    return PhotoAnswer(
        photo=report.index,
        used=report.used,
        faces_found=report.faces_found,
        face=None if report.face is None else _face(report.face),
        face_px=round(float(report.face_px), 1),
        sharpness=round(float(report.sharpness), 1),
        yaw=round(float(report.yaw), 1),
        cosine=None if report.cosine is None else round(float(report.cosine), 4),
        verdict=report.verdict,
    )


def _face(face: Face) -> FaceAnswer:
    return FaceAnswer(
        box=[round(float(value), 1) for value in face.box],
        keypoints=[[round(float(x), 1), round(float(y), 1)] for x, y in face.keypoints],
        score=round(float(face.det_score), 4),
    )

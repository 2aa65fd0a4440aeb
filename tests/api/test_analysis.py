"""Photo analysis: local, and Gemini's API played by a real HTTP server that is right, slow or broken."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from api.analysis import Analysis, AnalysisFailed, guess, method_of
from api.gemini import Gemini, read_answer
from api.settings import ServiceSettings
from tests.steady_faces import SteadyAnalyzer

RIGHT = {"skin_tone": "olive", "ethnicity": "Mediterranean", "age": 34, "gender": "female"}


def body(told) -> bytes:
    return json.dumps({"candidates": [{"content": {"parts": [{"text": json.dumps(told)}]}}]}).encode()


class Player:
    """A server that answers as it is told, one entry a request: (seconds to wait, status, body)."""

    def __init__(self) -> None:
        self.answers: list[tuple[float, int, bytes]] = []
        self.asked: list[tuple[str, dict, dict]] = []
        player = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                player.asked.append((self.path, dict(self.headers), sent))
                wait, status, content = player.answers[min(len(player.asked), len(player.answers)) - 1]
                time.sleep(wait)
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)
                except (BrokenPipeError, ConnectionResetError):
                    return

            def log_message(self, *args) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def settings(self, **more) -> ServiceSettings:
        return ServiceSettings(gemini_key="secret", gemini_url=self.address, gemini_timeout=0.5, **more)


@pytest.fixture
def player() -> Iterator[Player]:
    playing = Player()
    yield playing
    playing.server.shutdown()
    playing.server.server_close()


def test_a_right_answer_is_read_and_the_key_is_sent_in_a_header(player, photo) -> None:
    player.answers = [(0, 200, body(RIGHT))]
    assert Gemini(player.settings())(photo) == Analysis("olive", "mediterranean", 34, "female")
    path, headers, sent = player.asked[0]
    assert path == "/v1beta/models/gemini-2.5-flash:generateContent"
    assert headers["x-goog-api-key"] == "secret"
    assert "secret" not in path
    assert sent["contents"][0]["parts"][0]["inline_data"]["mime_type"] == "image/jpeg"


class Dripping:
    """A server that sends its answer byte by byte and never ends."""

    def __init__(self, pause: float) -> None:
        self.line = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.line.getsockname()[1]}"
        self._pause = pause
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                taken, _ = self.line.accept()
            except OSError:
                return
            threading.Thread(target=self._drip, args=(taken,), daemon=True).start()

    def _drip(self, taken: socket.socket) -> None:
        with taken:
            try:
                taken.recv(65536)
                taken.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                while True:
                    taken.sendall(b"1\r\n \r\n" if self._pause else b"10000\r\n" + bytes(65536) + b"\r\n")
                    time.sleep(self._pause)
            except OSError:
                return


@pytest.mark.parametrize(("pause", "words"), [(0.02, "did not answer within"), (0, "cannot be read")])
def test_an_answer_without_an_end_is_given_up(photo, pause, words) -> None:
    dripping = Dripping(pause)
    settings = ServiceSettings(gemini_key="k", gemini_url=dripping.address, gemini_timeout=0.5 if pause else 30)
    began = time.monotonic()
    with dripping.line, pytest.raises(AnalysisFailed, match=words):
        Gemini(settings)(photo)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("settings", "variable", "value"),
    [
        ({"gemini_key": "schlüssel-ключ"}, "", ""),
        ({"gemini_key": "two\nlines"}, "", ""),
        ({"gemini_url": "http://[broken"}, "", ""),
        ({"gemini_url": "http://127.0.0.1:99999"}, "", ""),
        ({"gemini_url": "gopher://127.0.0.1"}, "", ""),
        ({"gemini_url": ""}, "", ""),
        ({}, "HTTP_PROXY", "socks5://127.0.0.1:1"),
        ({}, "HTTP_PROXY", "nonsense://127.0.0.1:1"),
        ({}, "SSL_CERT_FILE", "/nowhere/certificates.pem"),
    ],
)
def test_a_deployment_at_fault_is_a_failed_analysis_too(photo, monkeypatch, settings, variable, value) -> None:
    if variable:
        monkeypatch.setenv(variable, value)
    chosen = {"gemini_key": "secret", "gemini_url": "http://127.0.0.1:1", "gemini_timeout": 5.0, **settings}
    with pytest.raises(AnalysisFailed) as failed:
        Gemini(ServiceSettings(**chosen))(photo)
    assert "could not be reached" in failed.value.message
    assert "/" not in failed.value.message


def test_a_canceled_job_waits_for_no_answer(photo) -> None:
    dripping, cancel = Dripping(0.02), threading.Event()
    settings = ServiceSettings(gemini_key="k", gemini_url=dripping.address, gemini_timeout=600)
    threading.Timer(0.3, cancel.set).start()
    with dripping.line, pytest.raises(AnalysisFailed):
        Gemini(settings)(photo, cancel)


def test_the_analysis_here_says_what_it_could_not_tell(photo) -> None:
    seen, notes = guess("local", [photo], SteadyAnalyzer(), None)
    assert seen.ethnicity is None
    assert "could not tell" in notes[-1]
    assert "ethnicity" in notes[-1]


def test_a_slow_answer_is_asked_for_once_more(player, photo) -> None:
    player.answers = [(3, 200, body(RIGHT)), (0, 200, body(RIGHT))]
    assert Gemini(player.settings())(photo).age == 34
    assert len(player.asked) == 2


@pytest.mark.parametrize(("status", "tries"), [(500, 2), (429, 2), (403, 1), (400, 1), (302, 1)])
def test_failures_end_after_one_retry_at_most(player, photo, status, tries) -> None:
    player.answers = [(0, status, b"no")]
    with pytest.raises(AnalysisFailed, match=str(status)):
        Gemini(player.settings())(photo)
    assert len(player.asked) == tries


def test_nobody_there_is_a_failure(photo) -> None:
    settings = ServiceSettings(gemini_key="k", gemini_url="http://127.0.0.1:9", gemini_timeout=0.5)
    with pytest.raises(AnalysisFailed, match="reached"):
        Gemini(settings)(photo)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"null", b"\xff", body("text"), body([1]), body(None), b'{"candidates": []}', b"[" * 5000],
)
def test_broken_answers_are_failures(content) -> None:
    with pytest.raises(AnalysisFailed):
        read_answer(content)


def test_words_of_a_stranger_are_not_trusted() -> None:
    told = {"skin_tone": "Light skin", "ethnicity": "ignore all rules, {x}", "age": 900, "gender": "robot"}
    assert read_answer(body(told)) == Analysis("light", None, None, None)
    assert read_answer(body({"age": True, "skin_tone": "x" * 41})) == Analysis()


def test_a_failure_is_a_note_and_the_photo_is_analysed_here(photo) -> None:
    def broken(*_) -> Analysis:
        raise AnalysisFailed("Gemini could not be reached.")

    seen, notes = guess("gemini", [photo], SteadyAnalyzer(), broken)
    assert "sent to Google" in notes[0]
    assert "could not be reached" in notes[1]
    assert seen.skin_tone is not None


def test_what_is_stated_wins() -> None:
    guessed = Analysis("dark", "b", 20, "male")
    assert Analysis("light", None, None, "female").over(guessed) == Analysis("light", "b", 20, "female")


def test_only_gemini_by_its_name_is_gemini() -> None:
    assert method_of("on") == "local"
    assert method_of("off") == "none"
    assert method_of("gemini") == "gemini"


def test_over_http_a_stated_skin_tone_wins_over_gemini(player, serve: Callable, jpeg) -> None:
    player.answers = [(0, 200, body(RIGHT))]
    chosen = player.settings()
    served = serve(gemini_key="k", gemini_url=player.address, gemini_timeout=chosen.gemini_timeout)
    answer = served.client.post(
        "/api/v1/generate-identity-body",
        files={"face_image": jpeg},
        data={"use_gemini_analysis": "true", "skin_tone": "dark"},
    ).json()
    assert answer["analysis"] == {"skin_tone": "dark", "ethnicity": "mediterranean", "age": 34, "gender": "female"}
    assert "sent to Google" in answer["note"]


@pytest.mark.parametrize("asked", ["on", "local", "off"])
def test_no_photo_is_sent_away_where_gemini_is_not_named(player, serve: Callable, jpeg, asked) -> None:
    served = serve(gemini_key="k", gemini_url=player.address)
    form = {"files": {"face_image": jpeg}, "data": {"analysis": asked}}
    answer = served.client.post("/api/v1/generate-identity-body", **form).json()
    assert answer["success"] is True
    assert player.asked == []
    assert "Google" not in (answer["note"] or "")

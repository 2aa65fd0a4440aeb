"""What the page says. Plain words first; the field's own names stand in the hints, where experts look for them."""

from collections.abc import Sequence
from html import escape

PRODUCT = "InstantID studio"
PROMISE = "One photo in, new pictures of that person out."
PRIVACY = (
    "Photos and templates stay on this server and are deleted after use. Results are marked as synthetic. "
    "Use pictures of people who agree to it."
)

WHO_HINTS = {
    "photos": "one or several photos of the same person",
    "template": "the stored template of a person",
}
WHO_MODES: tuple[tuple[str, str], ...] = (("Photos", "photos"), ("From a template", "template"))
TEMPLATE_LABEL = "Template: .npy, .npz, pickle, base64 or JSON text"
ADAPTER_LABEL = "Adapter of another recogniser (.safetensors), when it needs one"
TEMPLATE_NOTE = (
    "The numbers that a face recogniser keeps of a person are enough to draw them: .npy, .npz, pickle, base64 or JSON. "
    "Only use templates that you have the right to use; the picture says that it was made from one."
)
TAKEN_FOR_OWN = (
    "It is taken for one of the weights' own recogniser: if another one made it, add the adapter of that one."
)
UNREADABLE = "The file is damaged and cannot be read. Write it anew, or take another one."
NO_TEMPLATE = "There is no template yet."
NO_TEMPLATE_CURE = "Add one under 1 Who, or choose “Photos”."

PHOTO_TYPES = ["image", ".heic", ".heif"]

PROMPT_LABEL = "Describe the picture"
PROMPT_HINT = "Who, what, where: “a woman in a red coat, in a garden”. Empty works too."
PHOTOS_LABEL = "Photos of one person"
POSE_PICTURE_LABEL = "Picture to take the pose from"

DETAIL_LABEL = "Face detail"
DETAIL_HINT = "How strongly eyes, skin and hair come back. Adapter strength (ip_adapter_scale)."
SHAPE_LABEL = "Face shape"
SHAPE_HINT = "How firmly the face keeps its shape and place. IdentityNet strength (controlnet_conditioning_scale)."
UNPOSED = {
    "photos": ("From the photo", "The head is placed as it is in the first photo."),
    "template": ("To the front", "A template holds no pose: the head looks to the front."),
}
"""The pose where none is asked for: its name, and what happens then, by who it is."""

POSE_NOTES = {
    "picture": "Only the direction and place of the head are taken, not the person.",
    "view": "Choose a direction, then drag the head to its place.",
    "kept": "The head is placed as in the picture whose settings were taken.",
}

SPEED_LABELS: tuple[tuple[str, str], ...] = (("Quality", "quality"), ("Fast", "fast"), ("Turbo", "turbo"))
REFINE_LABELS: tuple[tuple[str, str], ...] = (("Never", "never"), ("When needed", "auto"), ("Always", "always"))
WAY_LABELS = {
    "few-steps": "A good solver, no LoRA",
    "lcm": "LCM",
    "lightning": "SDXL-Lightning",
    "hyper-sd": "Hyper-SD",
    "tcd": "TCD",
}
BEST_NOTE = "So many are made and the most alike are kept. Off unless it is above the number of pictures."
GUIDANCE_NOTE = "Outside of this part of the steps nothing is guided, and a step costs half as much."
WINDOW_NOTE = (
    "In which part of the steps the face acts: its shape by IdentityNet (control_guidance_start and _end), its detail "
    "by the adapter. The three presets under 4 Likeness set all of these."
)
PEOPLE_LABELS: tuple[tuple[str, int], ...] = (("One", 1), ("Two", 2), ("Three", 3), ("Four", 4))
PEOPLE_NOTES = {
    1: "One person, from 1 Who.",
    2: "The first person is the one of 1 Who. Faces are taken from the pose picture, or stand side by side. "
    "The size becomes the widest one, so that each has room.",
}
GROUND_LABELS: tuple[tuple[str, str], ...] = (("Nothing", "none"), ("Start from it", "start"), ("Into a photo", "into"))
GROUND_NOTES = {
    "none": "The picture is made from nothing.",
    "start": "The new picture keeps the layout of this one, and its proportions.",
    "into": "One face of a photo becomes the person's. Everything outside of it stays as it is, pixel by pixel.",
}
GROUND_MISSING = "The picture to work on is missing."
GROUND_MISSING_CURE = "Add it under Work on a picture, or choose “Nothing” there."
FOLLOW_NOTE = (
    "The new picture follows what you choose here of another one: of a picture of its own, or else of the pose "
    "picture. The nets are loaded when they are first used."
)
LORA_NOTE = (
    "A LoRA teaches the weights a style or a thing. Uploaded files are deleted when you remove them or leave. "
    "It has to be made for the same kind of weights."
)
EXAMPLE_WITH_OWN = "Your own photos are kept: the example's wish is made with them."
BASE_NOTE = "Any checkpoint that was made from SDXL. It is loaded for everybody who uses this page, and takes a while."
BASE_BUSY = "The weights are being exchanged. The header says how far it is."
BASE_LOADED = "Loaded: {}."
VAE_LABELS: tuple[tuple[str, str], ...] = (("The one that suits half precision", ""), ("The checkpoint's own", "own"))
MISSING = "Still to be added: {}."
NEEDED = {
    "start_picture": "the picture to start from",
    "into": "the photo to put the person into",
    "mask": "the mask",
}

LOADING = "Loading the weights. Everything can be set up meanwhile."
NO_PHOTO = "There is no photo yet."
NO_PHOTO_CURE = "Add a photo of a face under 1 Who, or take one of the examples."
POSE_MISSING = "The picture to take the pose from is missing."
POSE_MISSING_CURE = "Add it under 2 Pose, or choose another answer there."
UNEXPECTED = "Something went wrong on the server."
UNEXPECTED_CURE = "Everything you gave is kept. Try again; if it happens twice, restart the app and read its log."
TAKEN_OVER = "The settings of that picture are in the form now."
LEFT_OUT = "Not taken over, for the form has no place for it: {}."
TOO_MANY = "Too many people are waiting for a picture just now."
TOO_MANY_CURE = "Everything you gave is kept. Try again in a minute."
STOPPED = "Stopped. Nothing of the unfinished picture was kept."

PHASES = {
    "waiting": "waiting for the pictures before yours",
    "reading": "reading the face",
    "denoising": "step {step} of {total}",
    "scoring": "measuring the likeness",
    "comparing": "comparing with the picture without the person, step {step} of {total}",
    "refining": "making the small face again, step {step} of {total}",
}


def pose_modes(who: str, kept: bool = False) -> list[tuple[str, str]]:
    """The answers to 2 Pose. who: a value of `WHO_MODES`; kept: whether there is a pose of a result."""
    modes = [(UNPOSED[who][0], "photo"), ("A picture", "picture"), ("A view", "view")]
    return [*modes, ("As in a result", "kept")] if kept else modes


def pose_note(mode: str, who: str) -> str:
    """What an answer to 2 Pose means."""
    return UNPOSED[who][1] if mode == "photo" else POSE_NOTES.get(mode, "")


def letter(index: int) -> str:
    """A, B, C ... for photo 0, 1, 2 ..."""
    return chr(ord("A") + index % 26)


def seconds(value: float) -> str:
    """A duration that a person reads at a glance: 4 s, 1 min 20 s."""
    whole = max(1, round(value))
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"


def download_line(file: str, there: int, total: int | None) -> str:
    """Plain text such as "downloading unet/model.safetensors, 1.2 of 5.1 GB"."""
    amount = f"{there / 1e9:.1f}" if total is None else f"{there / 1e9:.1f} of {total / 1e9:.1f}"
    return f"downloading {file}, {amount} GB"


def progress_line(phase: str, step: int, total: int, seconds_left: float | None) -> str:
    """Plain text such as "step 12 of 30 · 4 s left"."""
    if phase == "waiting" and step > 0:
        text = f"{step} {'request' if step == 1 else 'requests'} before yours"
    else:
        text = PHASES.get(phase, phase).format(step=step, total=total)
    return text if seconds_left is None else f"{text} · {seconds(seconds_left)} left"


def listed(words: Sequence[str]) -> str:
    """Words as a list in a sentence: "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def heading(number: int, title: str, hint: str) -> str:
    words = f"{escape(title)}<small>{escape(hint)}</small>"
    return f'<h2 class="question"><span aria-hidden="true">{number}</span>{words}</h2>'

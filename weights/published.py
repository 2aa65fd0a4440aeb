"""What other people publish: repositories, revisions, files, sizes, hashes and licences.

A size or hash stands here only where an independent public source states it for that revision; the rest is None and
is learned from the hub, which announces both, at the first download. A revision of None follows the branch `main`;
the lock file then remembers the commit.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ASSETS = Path(__file__).parent.parent / "assets"

UNVERIFIED = "unverified"
"""Licence of weights for which no source was found."""


@dataclass(frozen=True)
class File:
    """One file of a repository.

    Args:
        path: place inside the repository, with forward slashes.
        size: bytes; None where it is not verified.
        sha256: lower-case hexadecimal; None where it is not verified.
        required: False for a file that is fetched when the repository has it and not missed when it does not.
    """

    path: str
    size: int | None = None
    sha256: str | None = None
    required: bool = True


@dataclass(frozen=True)
class Weight:
    """One repository on the hub, or one folder that is shipped with the app.

    Args:
        name: the folder's name inside the models directory.
        repo: `owner/name` on the hub; empty when shipped.
        revision: full commit id, or None for `main`.
        files: what is needed of it; empty when shipped (its SHA256SUMS lists them).
        licence: short name; "unverified" when no source was found.
        licence_note: what a user must know before using it.
        purpose: what it does here, in plain words.
        variant: what diffusers calls the variant in the file names ("fp16"), or None.
        about: bytes of the whole, to be shown where single sizes are not verified.
        folder: where it lies when it is shipped with the app; None when it is downloaded.
        within: name of another weight, whose folder has these files too.
    """

    name: str
    repo: str
    revision: str | None
    files: tuple[File, ...]
    licence: str
    licence_note: str
    purpose: str
    variant: str | None = None
    about: int | None = None
    folder: Path | None = None
    within: str | None = None

    @property
    def size(self) -> int | None:
        """Bytes of all files, `about` where one is not known, None when nothing is known."""
        sizes = [file.size for file in self.files]
        return sum(size for size in sizes if size is not None) if sizes and None not in sizes else self.about

    @property
    def exact(self) -> bool:
        """Whether every size is verified."""
        return bool(self.files) and all(file.size is not None for file in self.files)

    @property
    def url(self) -> str:
        return f"https://huggingface.co/{self.repo}" if self.repo else ""


@dataclass(frozen=True)
class Part:
    """A file or folder inside a weight; an empty path means the whole."""

    weight: Weight
    path: str = ""


_RAIL = "CreativeML Open RAIL++-M"
_RAIL_NOTE = "Commercial use is allowed within the use restrictions of the licence."
_FACE_PACK_NOTE = "Non-commercial research only. Commercial use needs a licence from InsightFace."

SDXL_BASE = Weight(
    name="sdxl-base-1.0",
    repo="stabilityai/stable-diffusion-xl-base-1.0",
    revision="462165984030d82259a11f4367a4eed129e94a7b",
    files=(
        File("model_index.json", 609, "6d7b93508390ab91ac5bfbe4aeb4dc2d83f7bb1b05fb069d714b5b0c75f70d44"),
        File(
            "scheduler/scheduler_config.json", 479, "af3e45a949aff8b8341ab8b811429ec03fee857a700a1d9477363e4fff9666e2"
        ),
        File("text_encoder/config.json", 565, "39b8b2e4b1949e36969caa425b6c81c68bace99198dd9078ce05d16ad401fe7f"),
        File(
            "text_encoder/model.fp16.safetensors",
            246_144_152,
            "660c6f5b1abae9dc498ac2d21e1347d2abdb0cf6c0c0c8576cd796491d9a6cdd",
        ),
        File("text_encoder_2/config.json", 575, "a892d1c3a69a7e9247a24de2bc1d5891e3109a54696e53be20093af671072c34"),
        File(
            "text_encoder_2/model.fp16.safetensors",
            1_389_382_176,
            "ec310df2af79c318e24d20511b601a591ca8cd4f1fce1d8dff822a356bcdb1f4",
        ),
        File("tokenizer/merges.txt", 524_619, "9fd691f7c8039210e0fced15865466c65820d09b63988b0174bfe25de299051a"),
        File(
            "tokenizer/special_tokens_map.json", 472, "c4864a9376a8401918425bed71fc14fc0e81f9b59ec45c1cf96cccb2df508eac"
        ),
        File(
            "tokenizer/tokenizer_config.json", 737, "19d7b034cb0cc3ce9766c2231373ab8aa8991fc72e2c8f76558bfaae3de0d563"
        ),
        File("tokenizer/vocab.json", 1_059_962, "e089ad92ba36837a0d31433e555c8f45fe601ab5c221d4f607ded32d9f7a4349"),
        File("tokenizer_2/merges.txt", 524_619, "9fd691f7c8039210e0fced15865466c65820d09b63988b0174bfe25de299051a"),
        File(
            "tokenizer_2/special_tokens_map.json",
            460,
            "f118ab3a983206e4f32583448de6bd6aae4ee21869135cef1f5848a753cdaab6",
        ),
        File(
            "tokenizer_2/tokenizer_config.json", 725, "c9d23941f76a41cbd50eda9290f57be7828f0a7a677939e9ef181f7e12bd1bdf"
        ),
        File("tokenizer_2/vocab.json", 1_059_962, "e089ad92ba36837a0d31433e555c8f45fe601ab5c221d4f607ded32d9f7a4349"),
        File("unet/config.json", 1_680, "30ebc70750223e59006f7f2b4e1e6c102570aa19a9c4ae3e1fbe7591332dbae6"),
        File(
            "unet/diffusion_pytorch_model.fp16.safetensors",
            5_135_149_760,
            "83e012a805b84c7ca28e5646747c90a243c65c8ba4f070e2d7ddc9d74661e139",
        ),
        File("vae/config.json", 642, "0b331c8ac22ded5f9997a144a575c1d113d6169aff262c353f39015bd24a6264"),
        File(
            "vae/diffusion_pytorch_model.fp16.safetensors",
            167_335_342,
            "bcb60880a46b63dea58e9bc591abe15f8350bde47b405f9c38f4be70c6161e68",
        ),
    ),
    licence=_RAIL,
    licence_note=_RAIL_NOTE,
    purpose="Stable Diffusion XL as Stability AI published it, half precision",
    variant="fp16",
)


def sdxl_layout(variant: str | None) -> tuple[File, ...]:
    """The files of an SDXL repository in diffusers' layout, nothing known of their bytes."""
    dot = f".{variant}" if variant else ""
    required = [
        "model_index.json",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        f"text_encoder/model{dot}.safetensors",
        "text_encoder_2/config.json",
        f"text_encoder_2/model{dot}.safetensors",
        "tokenizer/merges.txt",
        "tokenizer/vocab.json",
        "tokenizer_2/merges.txt",
        "tokenizer_2/vocab.json",
        "unet/config.json",
        f"unet/diffusion_pytorch_model{dot}.safetensors",
        "vae/config.json",
        f"vae/diffusion_pytorch_model{dot}.safetensors",
    ]
    extra = [f"{folder}/{name}" for folder in ("tokenizer", "tokenizer_2") for name in _TOKENIZER_EXTRAS]
    return tuple(File(path) for path in required) + tuple(File(path, required=False) for path in extra)


_TOKENIZER_EXTRAS = ("special_tokens_map.json", "tokenizer_config.json")
_SDXL_HALF = 6_939_000_000
"""Bytes of SDXL's four networks at half precision, rounded: the architecture fixes them within a megabyte."""

SDXL_LAYOUT = Weight(
    name="sdxl-layout",
    repo=SDXL_BASE.repo,
    revision=SDXL_BASE.revision,
    files=tuple(file for file in SDXL_BASE.files if not file.path.endswith(".safetensors")),
    licence=_RAIL,
    licence_note=_RAIL_NOTE,
    purpose="configuration and tokenizers for a checkpoint in a single file",
    within=SDXL_BASE.name,
)

YAMERMIX = Weight(
    name="YamerMIX_v8",
    repo="wangqixun/YamerMIX_v8",
    revision=None,
    files=sdxl_layout(None),
    licence=UNVERIFIED,
    licence_note="No licence was found for this repository; ask its author before commercial use.",
    purpose="the base of InstantID's own demo: bold, illustrative, good at many styles",
    about=_SDXL_HALF,
)

REALVISXL = Weight(
    name="RealVisXL_V5.0",
    repo="SG161222/RealVisXL_V5.0",
    revision="ac93e0dda1f6d448cae19bbfab8c5e720a5e48bc",
    files=sdxl_layout("fp16"),
    licence=_RAIL,
    licence_note=_RAIL_NOTE,
    purpose="photographic skin and light",
    variant="fp16",
    about=_SDXL_HALF,
)

INSTANTID = Weight(
    name="InstantID",
    repo="InstantX/InstantID",
    revision="57b32dfee076092ad2930c71fd6d439c2c3b1820",
    files=(
        File("ControlNetModel/config.json", None, "2480c42f363d712faae8d0e17cb850a5d1e4cafc232fbd022b1d43eee45234eb"),
        File(
            "ControlNetModel/diffusion_pytorch_model.safetensors",
            2_502_139_136,
            "c8127be9f174101ebdafee9964d856b49b634435cf6daa396d3f593cf0bbbb05",
        ),
        File("ip-adapter.bin", 1_691_134_141, "02b3618e36d803784166660520098089a81388e61a93ef8002aa79a5b1c546e1"),
    ),
    licence="Apache-2.0",
    licence_note="The authors release the checkpoints for research, because they need the InsightFace face pack.",
    purpose="IdentityNet and the face adapter",
    about=4_193_275_000,
)

ANTELOPEV2 = Weight(
    name="antelopev2",
    repo="DIAMONIK7777/antelopev2",
    revision="ba0c3e10f4548361eb9a63265d87ce1140ab5a05",
    files=(
        File("scrfd_10g_bnkps.onnx", 16_923_827, "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91"),
        File("glintr100.onnx", 260_665_334, "4ab1d6435d639628a6f3e5008dd4f929edf4c4124b1a7169e1048f9fef534cdf"),
        File("1k3d68.onnx", 143_607_619, "df5c06b8a0c12e422b2ed8947b8869faa4105387f199c477af038aa01f9a45cc", False),
        File("2d106det.onnx", 5_030_888, "f001b856447c413801ef5c42091ed0cd516fcd21f2d6b79635b1e733a7109dbf", False),
        File("genderage.onnx", 1_322_532, "4fde69b1c810857b88c64a335084f1c3fe8f01246c9a191b48c7bb756d6652fb", False),
    ),
    licence="non-commercial research",
    licence_note=_FACE_PACK_NOTE,
    purpose="finds faces and measures identity; the only recogniser InstantID was trained with",
)

BUFFALO_L = Weight(
    name="buffalo_l",
    repo="public-data/insightface",
    revision="33c1063c49c785b7652d3fd529f86fa4f149392b",
    files=(
        File(
            "models/buffalo_l/det_10g.onnx",
            16_923_827,
            "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91",
        ),
        File(
            "models/buffalo_l/w600k_r50.onnx",
            174_383_860,
            "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43",
        ),
    ),
    licence="non-commercial research",
    licence_note=_FACE_PACK_NOTE,
    purpose="another recogniser: judges pictures that it did not condition; to condition, it needs a template adapter",
)

CLIP = Weight(
    name="clip-vit-l14",
    repo="openai/clip-vit-large-patch14",
    revision=None,
    files=(
        File("config.json"),
        File("model.safetensors"),
        File("preprocessor_config.json"),
        File("tokenizer.json"),
        File("tokenizer_config.json"),
        File("vocab.json"),
        File("merges.txt"),
        File("special_tokens_map.json"),
    ),
    licence="MIT",
    licence_note="OpenAI asks to study a use before it is deployed; here it only judges pictures.",
    purpose="judges in an evaluation how far photographs follow the prompt",
    about=1_715_000_000,
)

VAE_FP16_FIX = Weight(
    name="sdxl-vae-fp16-fix",
    repo="madebyollin/sdxl-vae-fp16-fix",
    revision="207b116dae70ace3637169f1ddd2434b91b3a8cd",
    files=(
        File("config.json", 631, "f18b16fa4381c90ab44a3d7abd2e90afd05a2c31b8ca69998bc93c6453aeb7b7"),
        File(
            "diffusion_pytorch_model.safetensors",
            334_643_238,
            "1b909373b28f2137098b0fd9dbc6f97f8410854f31f84ddc9fa04b077b0ace2c",
        ),
    ),
    licence="MIT",
    licence_note="",
    purpose="a decoder that stays finite at half precision",
)

LCM_LORA = Weight(
    name="lcm-lora-sdxl",
    repo="latent-consistency/lcm-lora-sdxl",
    revision="a18548dd4956b174ec5b0d78d340c8dae0a129cd",
    files=(
        File(
            "pytorch_lora_weights.safetensors",
            393_855_224,
            "a764e6859b6e04047cd761c08ff0cee96413a8e004c9f07707530cd776b19141",
        ),
    ),
    licence=_RAIL,
    licence_note=_RAIL_NOTE,
    purpose="pictures in 4 to 10 steps",
)

LIGHTNING_LORA = Weight(
    name="sdxl-lightning-lora",
    repo="ByteDance/SDXL-Lightning",
    revision=None,
    files=(File("sdxl_lightning_8step_lora.safetensors"),),
    licence=_RAIL,
    licence_note="The authors publish it as a part of their research.",
    purpose="pictures in 8 steps, crisp",
    about=394_000_000,
)

HYPER_SD_LORA = Weight(
    name="hyper-sdxl-lora",
    repo="ByteDance/Hyper-SD",
    revision="84689be5eeae4bf138b58baf819a879009c23afb",
    files=(File("Hyper-SDXL-8steps-lora.safetensors"),),
    licence=_RAIL,
    licence_note="As its card said at this revision; later ones hold models for other bases, under several licences.",
    purpose="pictures in 8 steps, strong colours",
    about=787_000_000,
)

TCD_LORA = Weight(
    name="tcd-lora-sdxl",
    repo="h1t/TCD-SDXL-LoRA",
    revision="94ba1b72498086879251a157d85f80431f2e08a6",
    files=(File("pytorch_lora_weights.safetensors"),),
    licence="MIT",
    licence_note="",
    purpose="pictures in 4 to 50 steps, with more detail the more there are",
    about=394_000_000,
)


def _control_net(name: str, repo: str, purpose: str, revision: str | None = None) -> Weight:
    return Weight(
        name=name,
        repo=repo,
        revision=revision,
        files=(File("config.json"), File("diffusion_pytorch_model.safetensors")),
        licence="Apache-2.0",
        licence_note="",
        purpose=purpose,
        about=2_502_000_000,
    )


CONTROL_POSE = _control_net(
    "control-pose-sdxl",
    "xinsir/controlnet-openpose-sdxl-1.0",
    "poses to follow",
    "3e1e4918f1df2ebbbaa1835c953a872e5a1844bc",
)
CONTROL_CANNY = _control_net("control-canny-sdxl", "xinsir/controlnet-canny-sdxl-1.0", "edges to follow")
CONTROL_DEPTH = _control_net("control-depth-sdxl", "xinsir/controlnet-depth-sdxl-1.0", "depth to follow")

_TRANSFORMERS = (File("config.json"), File("preprocessor_config.json"), File("model.safetensors"))

DEPTH_ANYTHING = Weight(
    name="depth-anything-v2-small",
    repo="depth-anything/Depth-Anything-V2-Small-hf",
    revision="870a35c76c2bc1d82fbde922d95015496cb7dd6c",
    files=_TRANSFORMERS,
    licence="Apache-2.0",
    licence_note="The larger ones of the family are for non-commercial use alone.",
    purpose="sees the depth of a picture",
    about=99_000_000,
)

VITPOSE = Weight(
    name="vitpose-base-simple",
    repo="usyd-community/vitpose-base-simple",
    revision="f6e1613793fc8a9220d857bdc4b9fc23f79eafe9",
    files=_TRANSFORMERS,
    licence="Apache-2.0",
    licence_note="",
    purpose="sees the joints of a person",
    about=344_000_000,
)

PERSON_DETECTOR = Weight(
    name="rtdetr-r18vd",
    repo="PekingU/rtdetr_r18vd",
    revision=None,
    files=_TRANSFORMERS,
    licence="Apache-2.0",
    licence_note="",
    purpose="finds people in a picture",
    about=81_000_000,
)

MINIATURE = Weight(
    name="miniature",
    repo="",
    revision=None,
    files=(),
    licence="Apache-2.0",
    licence_note="Trained by this project on pictures that it draws itself.",
    purpose="a small drawn world that runs on any machine",
    folder=ASSETS / "miniature",
)

WEIGHTS: dict[str, Weight] = {
    weight.name: weight
    for weight in (
        MINIATURE,
        INSTANTID,
        ANTELOPEV2,
        SDXL_BASE,
        SDXL_LAYOUT,
        YAMERMIX,
        REALVISXL,
        VAE_FP16_FIX,
        LCM_LORA,
        LIGHTNING_LORA,
        HYPER_SD_LORA,
        TCD_LORA,
        CONTROL_POSE,
        CONTROL_CANNY,
        CONTROL_DEPTH,
        DEPTH_ANYTHING,
        VITPOSE,
        PERSON_DETECTOR,
        BUFFALO_L,
        CLIP,
    )
}

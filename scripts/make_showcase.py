"""Makes the README's picture with the app's own engine: `python -m scripts.make_showcase`."""

from pathlib import Path

from PIL import Image

from face.photo import open_photo
from generation.loading import load_engine
from generation.request import GenerationRequest, GenerationResult

ROOT = Path(__file__).parent.parent
SIDE, GAP, SEED = 192, 6, 3
PEOPLE = ("person_1.jpg", "person_2.jpg", "person_3.jpg")
WISHES = (
    ("a photo of a person", "(No style)", "front"),
    ("on the beach", "(No style)", "three_quarter_left"),
    ("a person", "Snow", "three_quarter_right"),
    ("a person", "Film Noir", "tilt_left"),
    ("a person", "Watercolor", "front"),
)


def main() -> None:
    engine = load_engine("miniature")
    step = SIDE + GAP
    sheet = Image.new("RGB", (step * (len(WISHES) + 1) + GAP, step * len(PEOPLE) - GAP), "white")
    for row, name in enumerate(PEOPLE):
        photo = open_photo(ROOT / "assets" / "examples" / name)
        sheet.paste(photo.resize((SIDE, SIDE), Image.Resampling.LANCZOS), (0, row * step))
        for column, (prompt, style, view) in enumerate(WISHES, 1):
            request = GenerationRequest(
                photos=(photo,),
                prompt=prompt,
                style=style,
                view=view,
                seed=SEED,
            )
            *_, result = engine.generate(request)
            assert isinstance(result, GenerationResult)
            picture = result.images[0].image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            sheet.paste(picture, (column * step + GAP, row * step))
    sheet.save(ROOT / "assets" / "showcase.png", optimize=True)


if __name__ == "__main__":
    main()

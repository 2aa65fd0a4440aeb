"""Makes the pictures of the style gallery with the app's own engine: `python -m ui.thumbnails`.

Every style is the same person, pose and seed, so that only the style differs.
"""

from __future__ import annotations

import argparse

from face.photo import open_photo
from generation.loading import load_engine
from generation.request import GenerationRequest, GenerationResult
from style_presets import STYLES
from ui.examples import FOLDER
from ui.what import THUMBNAILS, slug

SIDE = 160
PERSON = FOLDER / "person_1.jpg"
PROMPT = "a woman"
SEED = 7


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the thumbnails of the styles.")
    parser.add_argument("--profile", default="miniature", help="weights to make them with")
    parser.add_argument("--all", action="store_true", help="make those again that are there already")
    options = parser.parse_args()
    engine = load_engine(options.profile)
    photo = open_photo(PERSON)
    THUMBNAILS.mkdir(parents=True, exist_ok=True)
    for name in STYLES:
        target = THUMBNAILS / f"{slug(name)}.webp"
        if target.exists() and not options.all:
            continue
        request = GenerationRequest(photos=(photo,), prompt=PROMPT, style=name, view="front", seed=SEED)
        for event in engine.generate(request):
            if isinstance(event, GenerationResult):
                picture = event.images[0].image.copy()
                picture.thumbnail((SIDE, SIDE))
                picture.save(target, "WEBP", quality=82)
                print(f"{target.name}: likeness {event.images[0].identity}", flush=True)


if __name__ == "__main__":
    main()

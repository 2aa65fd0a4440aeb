"""Which shots of the drawn world a style preset describes, so that the miniature learns the presets' own words."""

from __future__ import annotations

from training.miniature.shot import Shot

PRESETS: dict[str, dict[str, str]] = {
    "Mars": {"style": "photo", "place": "mars"},
    "Jungle": {"style": "photo", "place": "jungle"},
    "Snow": {"style": "photo", "place": "snow"},
    "Beach": {"style": "photo", "place": "beach"},
    "Night City": {"style": "photo", "place": "night city"},
    "Forest": {"style": "photo", "place": "forest"},
    "Desert Sunset": {"style": "photo", "place": "desert sunset"},
    "Deep Space": {"style": "photo", "place": "space"},
    "Old Library": {"style": "photo", "place": "library"},
    "Flower Garden": {"style": "photo", "place": "garden"},
    "Underwater": {"style": "photo", "place": "underwater"},
    "Neon": {"style": "neon"},
    "Film Noir": {"style": "film noir"},
    "Golden Light": {"style": "photo", "tint": "warm"},
    "Cold Morning": {"style": "photo", "tint": "cool"},
    "Neon Night": {"style": "neon", "place": "night city"},
    "Neon Jungle": {"style": "neon", "place": "jungle"},
    "Deep Sea Glow": {"style": "neon", "place": "underwater"},
    "Studio Portrait": {"style": "photo", "place": "plain grey"},
    "Passport": {"style": "photo", "place": "plain white"},
    "Dark Backdrop": {"style": "photo", "place": "plain black"},
    "Blue Backdrop": {"style": "photo", "place": "plain blue"},
    "Candy Pink": {"style": "photo", "place": "plain pink"},
    "Noir Street": {"style": "film noir", "place": "night city"},
    "Winter Mono": {"style": "film noir", "place": "snow"},
    "Line art": {"style": "line art"},
    "Watercolor": {"style": "watercolor"},
    "Vibrant Color": {"style": "vibrant"},
    "Cartoon": {"style": "cartoon"},
    "Garden Watercolor": {"style": "watercolor", "place": "garden"},
    "Seaside Watercolor": {"style": "watercolor", "place": "beach"},
    "Winter Watercolor": {"style": "watercolor", "place": "snow"},
    "Botanical Sketch": {"style": "line art", "place": "garden"},
    "City Sketch": {"style": "line art", "place": "night city"},
    "Pop Poster": {"style": "vibrant", "place": "plain yellow"},
    "Enchanted Forest": {"style": "watercolor", "place": "forest"},
    "Jungle Quest": {"style": "cartoon", "place": "jungle"},
    "Atlantis": {"style": "vibrant", "place": "underwater"},
    "Wizard School": {"style": "cartoon", "place": "library"},
    "Snow Kingdom": {"style": "cartoon", "place": "snow"},
    "Star Dream": {"style": "watercolor", "place": "space"},
    "Space Age Poster": {"style": "vibrant", "place": "mars"},
    "Retro Wave": {"style": "neon", "place": "desert sunset"},
    "Cyber Future": {"style": "neon", "place": "space"},
    "Silent Film": {"style": "film noir", "place": "plain grey"},
    "Detective Tale": {"style": "film noir", "place": "library"},
    "Travel Poster": {"style": "vibrant", "place": "beach"},
    "Saturday Morning": {"style": "cartoon", "place": "mars"},
    "Western": {"style": "photo", "place": "desert sunset"},
}


def presets_of(shot: Shot) -> list[str]:
    """Names of the presets whose words are true of a shot."""
    return [
        name for name, wanted in PRESETS.items() if all(getattr(shot, key) == value for key, value in wanted.items())
    ]

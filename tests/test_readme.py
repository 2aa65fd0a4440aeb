"""The README's front matter is what the Space runs; it has to agree with the pins and the registry."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

from weights.registry import PROFILES, WEIGHTS, choose_profile

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
FRONT_MATTER = yaml.safe_load(README.split("---\n")[1])


def pins(name: str) -> dict[str, str]:
    """Package -> exact version of every `==` line of a requirements file."""
    lines = (ROOT / name).read_text().splitlines()
    found = (re.match(r"([\w.-]+)==([\w.]+)", line) for line in lines)
    return {match[1].lower().replace("_", "-"): match[2] for match in found if match}


def test_front_matter_agrees_with_the_pins() -> None:
    assert FRONT_MATTER["sdk"] == "gradio"
    assert FRONT_MATTER["sdk_version"] == pins("requirements.txt")["gradio"] == pins("constraints.txt")["gradio"]
    assert FRONT_MATTER["python_version"] == "3.12.12"
    assert (ROOT / FRONT_MATTER["app_file"]).is_file()
    assert FRONT_MATTER["license"] == "apache-2.0"
    assert len(FRONT_MATTER["short_description"]) <= 60


def test_every_pin_is_locked_at_the_same_version() -> None:
    locked = pins("constraints.txt")
    assert locked["torch"] == "2.13.0"
    assert locked["onnxruntime"] == locked["onnxruntime-gpu"]
    for name, version in pins("requirements.txt").items():
        assert locked[name] == version


def test_every_requirement_is_locked() -> None:
    locked = pins("constraints.txt")
    for name in ("", "-train", "-serve", "-openvino", "-dev"):
        for line in (ROOT / f"requirements{name}.txt").read_text().splitlines():
            if line and not line.startswith(("#", "-")):
                package = re.match(r"[\w.-]+", line)
                assert package and package[0].lower().replace("_", "-") in locked, line


def test_models_and_preload_are_in_the_registry() -> None:
    registered = {weight.repo: weight for weight in WEIGHTS.values()}
    assert set(FRONT_MATTER["models"]) <= set(registered)
    preloaded = {}
    for line in FRONT_MATTER["preload_from_hub"]:
        repo, files, revision = line.split()
        preloaded[repo] = set(files.split(","))
        assert preloaded[repo] <= {file.path for file in registered[repo].files}
        assert revision == registered[repo].revision
    for weight in PROFILES[choose_profile(has_accelerator=True)].weights:
        assert {file.path for file in weight.files if file.required} <= preloaded[weight.repo]


def test_licences_in_the_tables_are_those_of_the_registry() -> None:
    rows = dict(re.findall(r"^\| `([\w.-]+)` \|.*\| ([^|]+) \|$", README, re.MULTILINE))
    told = {name: licence for name, licence in rows.items() if name in WEIGHTS and name not in PROFILES}
    assert told == {name: WEIGHTS[name].licence for name in told}
    beside = {weight.name for weight in PROFILES["sdxl"].extras if weight.files[0].path.endswith("safetensors")}
    beside |= {part.weight.name for _, part in PROFILES["sdxl"].controls}
    beside |= {part.weight.name for _, parts in PROFILES["sdxl"].annotators for part in parts}
    assert set(told) == beside


def test_both_commands_are_printed() -> None:
    for which, last in (("run", "app.py"), ("test", "-m pytest")):
        printed = subprocess.run(
            [str(ROOT / "scripts" / "readme-command"), which], capture_output=True, text=True, check=True
        ).stdout.strip()
        assert printed.endswith(last)
        assert "\n" not in printed


def test_pictures_and_files_that_the_readme_shows_exist() -> None:
    body = README.split("---\n", 2)[2]
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", body):
        assert (ROOT / target).exists(), target


def test_the_file_map_is_true() -> None:
    printed = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "file_map.py")], capture_output=True, text=True, check=True
    ).stdout
    assert printed in README, "run: python scripts/file_map.py --write"

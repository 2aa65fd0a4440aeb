"""The layout's import rules: a room imports only rooms on lower floors, and some libraries stay behind walls."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = {
    "errors": 0,
    "ip_adapter": 1,
    "face": 1,
    "weights": 1,
    "template_adapter": 1,
    "style_presets": 1,
    "pipeline_instantid": 2,
    "openvino_backend": 2,
    "generation": 3,
    "training": 3,
    "outputs": 4,
    "evaluation": 4,
    "ui": 5,
    "api": 5,
    "commands": 6,
    "app": 7,
    "cli": 7,
    "serving": 7,
}
WALLS = {
    "gradio": {"app", "ui"},
    "spaces": {"app", "ui"},
    "fastapi": {"api", "app", "serving"},
    "insightface": {"face", "training.miniature"},
    "onnxruntime": {"face", "training.miniature"},
    "openvino": {"openvino_backend"},
    "nncf": {"openvino_backend"},
    "ray": {"serving"},
}
TORCH_FREE = ("face", "weights", "template_adapter", "style_presets", "errors")


def imports(source: str, package: tuple[str, ...] = ()) -> set[str]:
    """The full dotted names of every module that a source file imports, wherever the statement stands."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            found.add(".".join((*base, *([node.module] if node.module else []))))
    return found


def room_of(module: str) -> str:
    return module.split(".")[0]


def sources() -> list[Path]:
    listed = list(ROOT.glob("*.py"))
    for room in FLOORS:
        listed += (ROOT / room).rglob("*.py") if (ROOT / room).is_dir() else []
    return sorted(listed)


def violations(module: str, imported: set[str]) -> list[str]:
    """What the import rules say of one module, as sentences."""
    room = room_of(module)
    complaints = []
    for name in sorted(imported):
        target = room_of(name)
        if target in FLOORS and target != room and FLOORS[target] >= FLOORS[room]:
            complaints.append(f"{module} (floor {FLOORS[room]}) imports {name} (floor {FLOORS[target]})")
        allowed = WALLS.get(target)
        if allowed is not None and not any(module == door or module.startswith(door + ".") for door in allowed):
            complaints.append(f"{module} imports {name}, which stays in {', '.join(sorted(allowed))}")
        if target == "torch" and room in TORCH_FREE:
            complaints.append(f"{module} imports torch")
    return complaints


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", sources(), ids=module_name)
def test_imports_point_downwards(path: Path) -> None:
    module = module_name(path)
    assert room_of(module) in FLOORS, f"{module} stands in no room of the layout"
    package = tuple(module.split(".")) if path.name == "__init__.py" else tuple(module.split(".")[:-1])
    assert violations(module, imports(path.read_text(), package)) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("face.photo", "from generation import engine"),
        ("face.photo", "def late():\n    import torch"),
        ("generation.engine", "import gradio as gr"),
        ("ip_adapter.checkpoint", "from weights.store import Store"),
        ("generation.engine", "import onnxruntime"),
    ],
)
def test_the_rules_can_fail(module: str, source: str) -> None:
    assert violations(module, imports(source))


def test_no_room_shadows_a_package() -> None:
    rooms = {path.name for path in ROOT.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert not rooms & (set(WALLS) | set(sys.stdlib_module_names) | {"torch", "diffusers", "transformers", "peft"})


def test_the_fixed_top_level_stands() -> None:
    expected = "app.py pipeline_instantid.py ip_adapter style_presets.py requirements.txt assets tests README.md"
    assert [name for name in expected.split() if not (ROOT / name).exists()] == []

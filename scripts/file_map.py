"""Prints the README's file map from the modules' own docstrings: `python scripts/file_map.py --write` puts it there."""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = (
    "face", "ip_adapter", "template_adapter", "weights", "openvino_backend", "generation", "training",
    "outputs", "evaluation", "ui", "api", "serving", "commands", "benchmarks",
)  # fmt: skip
BEGIN, END = "<!-- file map -->\n", "<!-- /file map -->\n"


def purpose(path: Path) -> str:
    """First sentence of a module's docstring, without its full stop."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.split("\n")[0].split(". ")[0].rstrip(".")


def file_map() -> str:
    """One line a module, rooms from the top of the house's path to its doors."""
    top = [ROOT / f"{name}.py" for name in ("app", "cli", "pipeline_instantid", "style_presets", "errors")]
    lines = [f"{path.name:<32}{purpose(path)}" for path in top]
    for room in ROOMS:
        lines.append("")
        if (ROOT / room / "__init__.py").exists() and (summary := purpose(ROOT / room / "__init__.py")):
            lines.append(f"{room + '/':<32}{summary}")
        else:
            lines.append(f"{room}/")
        for path in sorted((ROOT / room).rglob("*.py")):
            if path.name != "__init__.py":
                inside = str(path.relative_to(ROOT / room))
                lines.append(f"  {inside + ' ':<30}{purpose(path)}")
    return "```\n" + "\n".join(lines) + "\n```\n"


def main() -> None:
    if "--write" not in sys.argv:
        print(file_map(), end="")
        return
    readme = ROOT / "README.md"
    before, rest = readme.read_text(encoding="utf-8").split(BEGIN)
    readme.write_text(before + BEGIN + file_map() + END + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()

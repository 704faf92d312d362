"""`boss-ingest plugins`: what can be read, and how a job file says so."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING

import click

from boss_ingest.cli.running import run_to_exit, tell
from boss_ingest.errors import UsageError

if TYPE_CHECKING:
    from boss_ingest.engine.stop import Stop
    from boss_ingest.plugins.catalogue import Layout
    from boss_ingest.plugins.params import Param


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a layout, for programs.")
def plugins(name: str | None, as_json: bool) -> None:
    """List the layouts that can be read; with NAME, tell one's params and show what to write."""

    async def work(_stop: Stop) -> int:
        from boss_ingest.plugins.catalogue import layouts

        chosen = _named(name, layouts()) if name else list(layouts())
        for layout in chosen:
            if as_json:
                tell(json.dumps(_facts(layout)))
            elif name:
                tell(_page(layout))
            else:
                tell(_line(layout))
        if not name and not as_json:
            tell("\n`boss-ingest plugins NAME` tells the params of one, and shows what to write.")
        return 0

    run_to_exit(work)


def _named(name: str, known: tuple[Layout, ...]) -> list[Layout]:
    found = [layout for layout in known if name in {layout.name, layout.name.partition(".")[0]}]
    if found:
        return found
    near = difflib.get_close_matches(name, [layout.name for layout in known], n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else "`boss-ingest plugins` lists all"
    raise UsageError(f"there is no layout {name}", hint=hint)


def _line(layout: Layout) -> str:
    extra = click.style(f"  [{layout.extra}]", dim=True) if layout.extra else ""
    return f"{click.style(layout.name, bold=True)}{extra}\n    {layout.reads}"


def _page(layout: Layout) -> str:
    lines = [click.style(layout.class_name, bold=True), f"  reads {layout.reads}"]
    if layout.extra:
        lines.append(f"  needs pip install 'boss-ingest[{layout.extra}]'")
    if layout.path is not None:
        lines += [f"  with  {layout.path_class_name}", *_table("path_processor", layout.path_param_list)]
    lines += _table(layout.section, layout.param_list)
    lines += [
        "",
        "  in the job file, under client:",
        "",
        *("  " + line for line in layout.snippet.split("\n")),
    ]
    if layout.example:
        lines += ["", f"  a whole job file: examples/{layout.example}"]
    return "\n".join([*lines, ""])


def _table(section: str, params: list[Param]) -> list[str]:
    if not params:
        return []
    width = max(len(param.name) for param in params)
    rows = [
        f"    {param.name:<{width}}  {param.type}{'' if param.required else f' = {param.default}'}"
        f"\n    {'':<{width}}  {param.description}"
        for param in params
    ]
    return ["", f"  params of {section}:", *rows]


def _facts(layout: Layout) -> dict[str, object]:
    return {
        "name": layout.name,
        "class": layout.class_name,
        "path_class": layout.path_class_name,
        "reads": layout.reads,
        "extra": layout.extra,
        "example": layout.example,
        "params": [param.as_dict() for param in layout.param_list],
        "path_params": [param.as_dict() for param in layout.path_param_list],
    }

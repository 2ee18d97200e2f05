"""Puts the module, the scripts and the shipped scenarios into one page: `page.py MODULE OUT`."""

import base64
import gzip
import hashlib
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent
# Scenarios that read other files are not offered: there are none here.
READS = ("data/", "extends:")


def sha256(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def examples() -> dict[str, str]:
    texts = {str(p.relative_to(ROOT / "scenarios"))[:-5]: p.read_text() for p in sorted((ROOT / "scenarios").rglob("*.yaml"))}
    return {name: text for name, text in texts.items() if not any(word in text for word in READS)}


def embedded(value: object) -> str:
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def main(module: str, out: str) -> None:
    script = (HERE / "playground.js").read_text()
    # Those of the report, which is shown in a frame of this page and has this page's policy, too.
    report = [(ROOT / "assets" / name).read_text() for name in ("vendor/uplot/uPlot.iife.min.js", "replay.js")]
    packed = gzip.compress(pathlib.Path(module).read_bytes(), 9, mtime=0)
    policy = (
        f"default-src 'none'; script-src {' '.join(sha256(one) for one in [script, *report])} 'wasm-unsafe-eval'; "
        "worker-src blob:; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    page = (HERE / "page.html").read_text()
    for mark, text in {
        "{{policy}}": policy,
        "{{style}}": (ROOT / "assets/report.css").read_text(),
        "{{worker}}": embedded((HERE / "worker.js").read_text()),
        "{{examples}}": embedded(examples()),
        "{{module}}": base64.b64encode(packed).decode(),
        "{{script}}": script,
    }.items():
        assert page.count(mark) == 1, mark
        page = page.replace(mark, text)
    pathlib.Path(out).write_text(page)
    print(f"{out}: {len(page):,} bytes")


main(*sys.argv[1:])

#!/usr/bin/env python3
"""Draws docs/recording.svg, a picture of a terminal.

Starts gox-server with an empty state directory, runs the commands of README.md (its lines that start with `    $ `) and draws their
output. `make recording` builds gox-server and calls this script.

usage: docs/record.py GOX-SERVER
"""

import html
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

COLUMNS = 100
# Pixels: a character and a line, the space before a command, the first character.
WIDTH, HEIGHT, GAP = 8.4, 20, 10
LEFT, TOP = 20, 52
# A fixed path, because `gox-server verify` prints it.
STATE = "/tmp/gox-server"
URL = "http://127.0.0.1:3000"

STYLE = """
:root { --back: #ffffff; --bar: #eaeef2; --edge: #d0d7de; --text: #1f2328; --output: #57606a; --prompt: #1a7f37 }
@media (prefers-color-scheme: dark) {
:root { --back: #0d1117; --bar: #21262d; --edge: #30363d; --text: #f0f6fc; --output: #a9b3bd; --prompt: #56d364 } }
text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; white-space: pre }
.command { fill: var(--text); font-weight: 600 } .output { fill: var(--output) } .prompt { fill: var(--prompt); font-weight: 600 }
"""


def record(program, commands):
    """Runs the commands in a shell, with a running server. Returns each with the lines of its output."""
    os.mkdir(STATE)
    with tempfile.TemporaryDirectory() as work:
        home, tools, log = (pathlib.Path(work, name) for name in ("home", "bin", "log"))
        home.mkdir()
        tools.mkdir()
        (tools / "gox-server").symlink_to(program)
        env = {**os.environ, "GOX_DIR": STATE, "PATH": f"{tools}:{os.environ['PATH']}"}
        for name in ("PORT", "GOX_LISTEN"):
            env.pop(name, None)
        server = subprocess.Popen([program], env=env, stderr=log.open("w"))
        try:
            while URL not in log.read_text():
                if server.poll() is not None:
                    sys.exit(log.read_text())
                time.sleep(0.1)
            return [(command, output(command, home, env)) for command in commands]
        finally:
            server.terminate()
            server.wait()
            remove_state()


def output(command, home, env):
    result = subprocess.run(
        command, shell=True, cwd=home, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    # A progress meter returns to the start of its line (\r): its last state stays on the screen.
    return [line.rstrip("\r").rpartition("\r")[2] for line in result.stdout.decode().rstrip("\n").split("\n")]


def remove_state():
    """Removes the state directory. Detached processes of gox-server may still write to it."""
    for _ in range(60):
        subprocess.run(["chmod", "-R", "u+w", STATE], stderr=subprocess.DEVNULL)
        shutil.rmtree(STATE, ignore_errors=True)
        time.sleep(1)
        if not os.path.exists(STATE):
            return
    sys.exit(f"cannot remove {STATE}")


def draw(screen):
    """The SVG. Each line has the length of its characters, whatever font shows it."""
    texts, y = [], TOP

    def text(kind, column, line):
        indent = len(line) - len(line.lstrip())
        line = line.lstrip()
        if line:
            texts.append(
                f'<text class="{kind}" x="{LEFT + (column + indent) * WIDTH:.1f}" y="{y}" '
                f'textLength="{len(line) * WIDTH:.1f}">{html.escape(line)}</text>'
            )

    for command, lines in screen:
        y += GAP
        text("prompt", 0, "$")
        text("command", 2, command)
        y += HEIGHT
        for line in lines:
            # A terminal breaks a long line at its last column.
            for part in re.findall(f".{{1,{COLUMNS}}}", line) or [""]:
                text("output", 0, part)
                y += HEIGHT
    width, height = int(COLUMNS * WIDTH) + 2 * LEFT, y
    dots = "".join(
        f'<circle cx="{20 * n}" cy="18" r="6" fill="{colour}"/>' for n, colour in enumerate(("#ff5f57", "#febc2e", "#28c840"), 1)
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="title">',
            '<title id="title">A terminal with the commands of README.md and their output</title>',
            f"<style>{STYLE}</style>",
            f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8" fill="var(--back)" stroke="var(--edge)"/>',
            f'<path d="M1 34V9a8 8 0 0 1 8-8H{width - 9}a8 8 0 0 1 8 8V34z" fill="var(--bar)"/>',
            dots,
            *texts,
            "</svg>\n",
        ]
    )


def main():
    docs = pathlib.Path(__file__).resolve().parent
    commands = re.findall(r"^    \$ (.*)$", (docs.parent / "README.md").read_text(), re.MULTILINE)
    screen = record(os.path.realpath(sys.argv[1]), commands)
    (docs / "recording.svg").write_text(draw(screen))
    for command, lines in screen:
        print(f"$ {command}", *lines, sep="\n")


main()

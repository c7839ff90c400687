# SPDX-License-Identifier: Apache-2.0
"""What the page costs: processor time of the web monitor without and with a browser that looks, as shares of a core.

`python benchmarks/web_page.py` runs `swm-sim langtable --web` and headless Chromium; port 8080 must be free.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import click
import psutil
from playwright.sync_api import sync_playwright

from swm_core.cli import write_json
from swm_core.evaluation.provenance import provenance

PAGE = "http://127.0.0.1:8080/"
SETTLED = 3.0  # s after opening
STARTUP = 120.0  # s


def wait_for_page(stack: subprocess.Popen) -> psutil.Process:
    """The process of the web monitor, once it serves the page."""
    end = time.monotonic() + STARTUP
    while time.monotonic() < end:
        if stack.poll() is not None:
            sys.exit("the stack has ended")
        try:
            urllib.request.urlopen(PAGE, timeout=5).close()
        except OSError:
            time.sleep(0.5)
            continue
        return next(p for p in psutil.Process(stack.pid).children(recursive=True)
                    if "swm_ros.web.web_monitor_node" in p.cmdline())  # fmt: skip
    sys.exit("no page")


def share(process: psutil.Process, seconds: float) -> float:
    """Processor time of a process, as a share of one core."""
    before = process.cpu_times()
    time.sleep(seconds)
    after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) / seconds


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", default=20.0, show_default=True, help="Of each measurement.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Also write results as JSON here.")
def main(seconds: float, json_file: Path | None) -> None:
    """Measure the web monitor without a page, with one, and with one while a goal is pursued again and again."""
    command = [sys.executable, "-m", "swm_ros.launcher", "langtable", "--web", "--keep-going"]
    stack = subprocess.Popen(  # noqa: S603, the command above
        command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        monitor = wait_for_page(stack)
        time.sleep(10 * SETTLED)
        found = {"nobody looks": share(monitor, seconds)}
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(PAGE, wait_until="domcontentloaded")
            time.sleep(SETTLED)
            found["a page is open"] = share(monitor, seconds)
            page.locator('[data-testid="goal"]').fill("push the red moon to the green star")
            page.locator('[data-testid="go"]').click()
            time.sleep(SETTLED)
            found["a page is open, and the arm moves"] = share(monitor, seconds)
            browser.close()
    finally:
        stack.send_signal(signal.SIGINT)
        stack.wait(30)
    for name, value in found.items():
        click.echo(f"{name:36} {100 * value:5.1f} % of a core")
    write_json(json_file, {"seconds": seconds, "shares": found, **provenance()})


if __name__ == "__main__":
    main()

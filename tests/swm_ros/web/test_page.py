# SPDX-License-Identifier: Apache-2.0
"""The page in a real browser before the real stack: a goal typed there moves the robot, the red button stops it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
pytest.importorskip("nicegui")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [pytest.mark.ros, pytest.mark.skipif(not CHROMIUM, reason="no Chromium here")]
PORT = 8080
PATIENCE = 90_000  # ms, on a busy machine
SIZES = {"desktop": (1280, 1000), "phone": (390, 844)}


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """`swm-sim langtable --web`."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", PORT)) == 0:
            pytest.skip(f"port {PORT} is taken")
    log = (tmp_path_factory.mktemp("web") / "stack.log").open("w+")
    command = [sys.executable, "-m", "swm_ros.launcher", "langtable", "--web", "--seed", "6000"]
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    end = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=5).close()
            break
        except OSError:
            assert process.poll() is None, log.seek(0) or log.read()
            time.sleep(0.3)
    yield process
    os.kill(process.pid, signal.SIGINT)
    process.wait(30)
    log.seek(0)
    said = log.read()
    assert "Traceback" not in said, said


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture(params=SIZES)
def page(request, stack, browser):
    width, height = SIZES[request.param]
    made = browser.new_page(viewport={"width": width, "height": height})
    made.set_default_timeout(PATIENCE)
    said = []
    made.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    made.on("pageerror", lambda error: said.append(str(error)))
    made.goto(f"http://127.0.0.1:{PORT}/", wait_until="domcontentloaded")
    expect(made, "nodes", "planner active")
    yield made
    made.close()
    assert not said


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://127.0.0.1:9000"}])
def test_the_running_page_refuses_other_pages(stack, headers):
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{PORT}/", headers=headers), timeout=5)


def part(page, name):
    return page.locator(f'[data-testid="{name}"]')


def expect(page, name, text):
    sync_api.expect(part(page, name)).to_contain_text(text, timeout=PATIENCE)


def type_goal(page, text):
    part(page, "goal").fill(text)
    part(page, "go").click()


def draw(page):
    part(page, "camera").scroll_into_view_if_needed()
    box = part(page, "camera").bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    for k in range(8):
        page.mouse.move(box["x"] + (0.5 + 0.01 * k) * box["width"], box["y"] + (0.5 + 0.02 * k) * box["height"])
        page.wait_for_timeout(50)
    page.mouse.up()
    page.wait_for_timeout(500)


def test_a_goal_typed_into_the_page_moves_the_robot_to_it(page):
    part(page, "seed").fill("6001")
    part(page, "reset").click()
    expect(page, "episode", "seed 6001")
    type_goal(page, "reach the red moon")
    expect(page, "episode", "goal reached in the true scene")
    expect(page, "timing", "iterations")
    part(page, "looking").locator("text=Where each question looks").click()
    expect(page, "attention", "red moon")
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.viewport_size["width"] + 1, "nothing sticks out to the side"


def test_what_cannot_be_is_refused_with_the_reason(page):
    type_goal(page, "reach the purple elephant")
    expect(page, "refusal", "Examples")


def test_the_future_of_a_drawn_path_is_foreseen_and_compared_with_what_happens(page):
    part(page, "cancel").click()
    page.wait_for_timeout(500)
    draw(page)
    part(page, "ask").click()
    expect(page, "told", "%")
    part(page, "go_there").click()
    expect(page, "told", "(happened)")


def test_the_red_button_stops_and_a_goal_after_the_release_moves_again(page):
    type_goal(page, "push the yellow star to the blue moon")
    expect(page, "state", "active: push yellow star")
    part(page, "estop").click()
    expect(page, "guard", "EMERGENCY STOP")
    part(page, "release").click()
    sync_api.expect(part(page, "guard")).not_to_contain_text("EMERGENCY STOP", timeout=PATIENCE)
    part(page, "seed").fill("6003")
    part(page, "reset").click()
    expect(page, "episode", "seed 6003")
    type_goal(page, "reach the green star")
    expect(page, "episode", "goal reached in the true scene")

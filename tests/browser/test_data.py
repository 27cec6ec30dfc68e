"""Bringing data of one's own, in a real browser."""

import io
import json
import re
import urllib.error
import urllib.request
import zipfile

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.test_walk import SLOW_MS, opened, settled

pytestmark = pytest.mark.browser
HOSTILE = ["<img src=x onerror=alert(1)>", "**bold** :red[x] $x^2$ [a](http://example.com)"]


def picture(kind: int, number: int) -> bytes:
    """Red discs or blue squares on noise, each another."""
    rng = np.random.default_rng(10 * number + kind)
    pixels = rng.integers(0, 90, (48, 48, 3), dtype=np.uint8)
    left, top, side = rng.integers(4, 18), rng.integers(4, 18), rng.integers(12, 24)
    pixels[top : top + side, left : left + side, 0 if kind else 2] = 230
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def zipped(names=("red", "blue"), each=20) -> dict:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for kind, name in enumerate(names):
            for number in range(each):
                archive.writestr(f"{name}/{number}.png", picture(kind, number))
    return {"name": "shapes.zip", "mimeType": "application/zip", "buffer": out.getvalue()}


def table(labels, each=20) -> dict:
    rows = [
        {"text": f"{label[:3]} text number {n} says {n * 7919 % 1009}", "label": label}
        for label in labels
        for n in range(each)
    ]
    return {
        "name": "texts.jsonl",
        "mimeType": "application/json",
        "buffer": "\n".join(map(json.dumps, rows)).encode(),
    }


def test_a_zip_is_read_looked_over_and_trained_on(page):
    opened(page, "/data")
    page.get_by_label("Files to add").set_input_files(zipped())
    expect(page.get_by_role("heading", name="shapes.zip", exact=True)).to_be_visible(
        timeout=SLOW_MS
    )
    assert "data=own-" in page.url
    expect(page.get_by_role("heading", name="The questions, answered by your data")).to_be_visible(
        timeout=SLOW_MS
    )
    page.get_by_role("button", name="Run it on this data").click()
    expect(page.get_by_role("heading", name="Run an approach")).to_be_visible()
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("Finished in").first).to_be_visible(timeout=SLOW_MS)


def test_two_classes_are_taken_with_the_camera_and_from_files(chromium_with_camera, app):
    context = chromium_with_camera.new_context(base_url=app)
    page = context.new_page()
    opened(page, "/data")
    page.get_by_text("Class by class, or the camera").click()
    first, second = (page.get_by_role("group", name=f"Class {n}", exact=True) for n in (1, 2))
    first.get_by_label("Name of the class").fill("cup")
    first.get_by_role("button", name="Camera").click()
    shutter = first.get_by_role("button", name="Take pictures")
    expect(shutter).to_be_visible()
    for _ in range(6):
        shutter.press("Enter")
        page.wait_for_timeout(150)
    expect(first.get_by_role("button", name="Take out picture").nth(3)).to_be_visible()
    pictures = [
        {"name": f"{n}.png", "mimeType": "image/png", "buffer": picture(1, n)} for n in range(6)
    ]
    second.get_by_label("Pictures of class 2").set_input_files(pictures)
    second.get_by_role("button", name="Take out picture 5.png").click()
    expect(second.get_by_text("5 pictures")).to_be_visible()
    page.get_by_text("Paste rows").click()
    expect(page.get_by_label("One example a line")).to_be_visible()
    page.get_by_text("Class by class, or the camera").click()
    expect(second.get_by_text("5 pictures")).to_be_visible()  # nothing is lost by looking around
    page.get_by_role("button", name=re.compile("Use these")).click()
    expect(page.get_by_role("heading", name="cup, Class 2", exact=True)).to_be_visible(
        timeout=SLOW_MS
    )
    context.close()


def test_classes_keep_names_of_their_own(page):
    opened(page, "/data")
    page.get_by_text("Class by class, or the camera").click()
    page.get_by_role("button", name="Remove class 1").click()
    page.get_by_role("button", name="Add a class").click()
    names = page.get_by_label("Name of the class")
    expect(names.nth(0)).to_have_value("Class 2")
    expect(names.nth(1)).to_have_value("Class 3")
    for number in (2, 3):
        pictures = [
            {"name": f"{n}.png", "mimeType": "image/png", "buffer": picture(number, n)}
            for n in range(3)
        ]
        page.get_by_label(f"Pictures of class {number}").set_input_files(pictures)
    use = page.get_by_role("button", name="Use these 6 pictures")
    expect(use).to_be_enabled()
    names.nth(1).fill("Class 2")  # classes of one name are one class
    expect(use).to_be_disabled()


def test_hostile_names_are_shown_as_they_are_everywhere(page):
    opened(page, "/data")
    page.get_by_label("Files to add").set_input_files(table(HOSTILE))
    expect(page.get_by_role("heading", name="texts.jsonl", exact=True)).to_be_visible(
        timeout=SLOW_MS
    )
    expect(page.get_by_role("heading", name="The questions, answered by your data")).to_be_visible(
        timeout=SLOW_MS
    )
    page.get_by_role("button", name="Run it on this data").click()
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("Finished in").first).to_be_visible(timeout=SLOW_MS)
    settled(page)
    for name in HOSTILE:
        expect(page.get_by_text(name).first).to_be_attached()
    assert page.locator("a[href*='example.com']").count() == 0
    assert page.locator("img[src='x']").count() == 0


def test_what_is_no_data_gets_a_sentence_and_leaves_the_page_usable(page):
    opened(page, "/data")
    broken = {"name": "photos.zip", "mimeType": "application/zip", "buffer": b"PK\x03\x04 broken"}
    page.get_by_label("Files to add").set_input_files(broken)
    expect(page.get_by_role("alert").first).to_contain_text("zip", timeout=SLOW_MS)
    page.get_by_role("button", name="Add something else").click()
    page.get_by_label("Files to add").set_input_files(zipped())
    expect(page.get_by_role("heading", name="shapes.zip", exact=True)).to_be_visible(
        timeout=SLOW_MS
    )


def put(app: str, draft: str, body: bytes) -> tuple[int, dict]:
    request = urllib.request.Request(f"{app}/upload/{draft}", data=body, method="PUT")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.parametrize("draft", ["x", "a.b", "0" * 32])
def test_nobody_can_add_files_to_what_no_page_began(app, draft):
    status, answer = put(app, draft, b"something")
    assert status == 404
    assert "Load it again" in answer["error"]

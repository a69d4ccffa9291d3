"""Pages for browsers, as they are served."""

import re
from collections.abc import Mapping
from urllib.parse import urljoin

import httpx
import pytest

from api.routes import points, review

SITES = {"/points": points.FILES, "/admin/review": review.FILES}


@pytest.mark.parametrize(("path", "files"), SITES.items(), ids=SITES)
async def test_a_page_is_public_and_may_run_nothing_but_its_own_files(
    anyone: httpx.AsyncClient, path: str, files: Mapping[str, str]
) -> None:
    page = await anyone.get(path)

    policy = page.headers["content-security-policy"]
    named = {urljoin(path, name) for name in re.findall(r'(?:src|href)="([^"]+)"', page.text)}
    assert page.status_code == 200
    assert {(await anyone.get(name)).status_code for name in named} == {200}
    assert named == {f"{path}/{name}" for name in files}
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';")
    assert "unsafe" not in policy
    assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]+src=)", page.text)


@pytest.mark.parametrize("name", ["/points/review.js", "/admin/review/review.html", "/admin/review/..%2F..%2Fapp.py"])
async def test_a_file_that_is_no_part_of_the_page_is_not_found(anyone: httpx.AsyncClient, name: str) -> None:
    answer = await anyone.get(name)

    assert answer.status_code == 404
    assert "import" not in answer.text


async def test_pages_of_others_may_take_the_script_of_the_points(anyone: httpx.AsyncClient) -> None:
    of = "cross-origin-resource-policy"

    assert (await anyone.get("/points/points.js")).headers[of] == "cross-origin"
    assert of not in (await anyone.get("/admin/review/review.js")).headers

"""The site in a browser, from the disk and over http: silent, self-contained, no wider than the screen, accessible."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

pytestmark = pytest.mark.browser

CHROMIUM = Path("/usr/bin/chromium")
AXE = Path(__file__).parents[2] / "build/node/node_modules/axe-core/axe.min.js"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run", "--disable-dev-shm-usage",
]  # fmt: skip
DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
RULES_BROKEN = """
axe.run(document, {resultTypes: ['violations'], rules: {'target-size': {enabled: true}}})
   .then(found => found.violations.map(v => [v.id, v.nodes.map(n => n.target).slice(0, 4)]))
"""
PAGES = (
    "index.html", "class/bee-co/index.html", "class/bee-co/pictures.html", "class/bee-co/circuit.html",
    "class/angstrom-3/layer2.0/index.html", "fidelity/index.html",
    "fidelity/bee-co/index.html",
    "search/index.html", "method/index.html", "provenance/index.html",
    "why/index.html", "why/bee-co-flower-1-926c2892f25d-5/index.html",
)  # fmt: skip


class Silent(SimpleHTTPRequestHandler):
    """Serves files and says nothing of it."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module", params=["file", "http"])
def root(request: pytest.FixtureRequest, site: Path) -> Iterator[str]:
    """How the site's addresses begin: on the disk, and on a server of this machine."""
    if request.param == "file":
        yield site.as_uri()
        return
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(site))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


def opened(browser: Browser, address: str, *, width: int = 1280, script: bool = True) -> Page:
    context = browser.new_context(viewport={"width": width, "height": 900}, java_script_enabled=script)
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.goto(address)
    return page


def test_no_request_leaves_the_site_and_nothing_is_complained_about(browser: Browser, root: str) -> None:
    """All pages are open at once: each waits for half a second in which nothing more is asked for."""
    context = browser.new_context()
    asked: list[str] = []
    fonts: set[str] = set()
    complaints: list[tuple[str, str]] = []
    context.on("request", lambda request: asked.append(request.url))
    pages = {path: context.new_page() for path in PAGES}
    for path, page in pages.items():
        page.on("request", lambda request, path=path: request.url.endswith(".woff2") and fonts.add(path))
        page.on("console", lambda message, path=path: complaints.append((path, message.text)))
        page.on("pageerror", lambda error, path=path: complaints.append((path, str(error))))
        page.on("requestfailed", lambda request, path=path: complaints.append((path, request.url)))
        page.goto(f"{root}/{path}")
        page.evaluate("document.querySelectorAll('img').forEach(i => { i.loading = 'eager' })")
    for path, page in pages.items():
        page.wait_for_load_state("networkidle")
        missing = page.evaluate("[...document.images].filter(i => !(i.complete && i.naturalWidth)).map(i => i.src)")
        assert (path, missing) == (path, [])
    context.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith((f"{root}/", "data:,"))] == []
    assert fonts == set(PAGES)


def framed(browser: Browser, address: str, folder: Path) -> tuple[Page, list[str]]:
    """A page in a frame that may run scripts and nothing else, as experiment trackers show it, and the errors there."""
    file = folder / "frame.html"
    file.write_text(f'<iframe sandbox="allow-scripts" src="{address}" width="1280" height="900"></iframe>')
    page = browser.new_context(viewport={"width": 1300, "height": 950}).new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_default_timeout(20_000)
    page.goto(file.as_uri())
    return page, errors


def test_all_works_in_a_sandboxed_frame(browser: Browser, site: Path, single: Path, tmp_path: Path) -> None:
    """The site from a server, as Chromium gives such a frame no second file from a disk; the single file from one."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(site))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        for address in (f"http://127.0.0.1:{server.server_port}/index.html", single.as_uri()):
            page, errors = framed(browser, address, tmp_path)
            frame = page.frame_locator("iframe")
            switch = frame.get_by_role("button", name="Colours")
            switch.click()
            switch.click()
            expect(frame.locator("html")).to_have_attribute("data-theme", "dark")
            frame.get_by_role("button", name="Copy for the model card").locator("visible=true").click()
            expect(frame.locator("main > [role=status]")).to_have_text("Copied the lines for the model card")
            field = frame.get_by_role("searchbox", name="Find")
            field.fill("n5 layer3")
            field.press("Enter")
            expect(frame.locator(".results li:visible").first).to_contain_text("layer3")
            frame.locator(".results li:visible a").first.click()
            expect(frame.locator("h1:visible")).to_have_text("layer3")
            frame.locator(".wide-group .mosaic a:visible").first.click()
            expect(frame.locator("dialog[open] h2")).to_contain_text("flower")
            assert errors == [], address
            page.context.close()
        server.shutdown()


def test_the_lines_for_a_model_card_are_copied(browser: Browser, root: str) -> None:
    page = opened(browser, f"{root}/class/bee-co/index.html")
    page.evaluate("navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }")
    page.get_by_role("button", name="Copy for the model card").click()
    assert page.evaluate("window.copied").startswith("![The strongest neuron groups of bee ")
    page.context.close()


@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_wider_than_sheet_or_screen_and_axe_finds_nothing(browser: Browser, site: Path, path: str) -> None:
    page = opened(browser, site.joinpath(path).as_uri())
    page.emulate_media(media="print")
    assert width(page, 718) <= 718  # A4 without margins of 10 mm
    page.emulate_media(media="screen")
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    found = {}
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        for screen in (1280, 360):
            assert width(page, screen) <= screen
        found[theme] = violations(page)
    page.context.close()
    assert found == {"light": [], "dark": []}


def width(page: Page, window: int) -> int:
    """How wide the page is in a window of that width."""
    page.set_viewport_size({"width": window, "height": 900})
    return page.evaluate("document.documentElement.scrollWidth")  # type: ignore[no-any-return]


def violations(page: Page) -> list[object]:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: npm install --prefix build/node axe-core")
    page.evaluate(AXE.read_text(encoding="utf-8") + "; null")  # or axe itself would be sent back
    return page.evaluate(RULES_BROKEN)  # type: ignore[no-any-return]


def test_all_is_readable_without_a_script(browser: Browser, site: Path) -> None:
    page = opened(browser, (site / "class/bee-co/index.html").as_uri(), script=False)
    assert page.locator("h1").inner_text() == "bee & <co>"
    assert page.locator("button").count() == 0
    page.locator("details.same > summary").first.click()
    assert page.locator("details.same[open] table").first.is_visible()
    page.context.close()


def test_the_switch_changes_the_colours_and_is_remembered(browser: Browser, root: str) -> None:
    page = opened(browser, f"{root}/index.html")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    switch = page.get_by_role("button", name="Colours")
    switch.click()
    assert page.evaluate(ground) == light
    switch.click()
    dark = page.evaluate(ground)
    assert dark != light
    page.goto(f"{root}/method/index.html")
    assert page.evaluate(ground) == dark
    page.context.close()


def test_the_keyboard_comes_to_the_content_first(browser: Browser, site: Path) -> None:
    page = opened(browser, (site / "class/bee-co/index.html").as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.locator(".skip").bounding_box()["y"] >= 0  # type: ignore[index]
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.context.close()


def test_without_a_script_a_card_leads_to_its_group(browser: Browser, site: Path) -> None:
    page = opened(browser, (site / "class/bee-co/index.html").as_uri(), script=False)
    assert page.locator(".drawing .tools, .drawing .panel").count() == 0
    page.locator('#circuit svg a[data-key="layer3/G2"]').click()
    page.wait_for_url("**/class/bee-co/layer3/index.html#G2")
    assert re.search(r"\bG2\b", page.locator("article:target h3").inner_text())
    page.context.close()


def test_a_card_that_is_clicked_stays_lit_and_is_told_of(browser: Browser, root: str) -> None:
    page = opened(browser, f"{root}/class/bee-co/index.html")
    card = page.locator('#circuit svg a[data-key="layer3/G2"]')
    panel = page.locator("#circuit .panel")
    expect(panel).to_be_hidden()
    card.click()
    expect(panel).to_be_visible()
    assert card.get_attribute("aria-expanded") == "true"
    label = str(card.get_attribute("aria-label"))
    assert panel.get_attribute("aria-label") == f"{label.rpartition(' · ')[0]} of layer3"
    assert 0 < panel.locator(".mosaic a").count() <= 12
    assert panel.locator("h4").all_text_contents()[0] == "Its neurons, and what each lends it of the logit"
    page.mouse.move(2, 2)
    assert page.locator("#circuit svg.lit a.on").count() > 1
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(page.locator("#circuit svg.lit")).to_have_count(0)
    card.click()
    card.click()
    expect(panel).to_be_hidden()
    card.click()
    panel.locator(".mosaic a").first.click()
    expect(page.locator("dialog[open] .words")).to_contain_text("predicted bee & <co>")
    page.keyboard.press("Escape")
    expect(panel).to_be_visible()
    panel.get_by_role("link", name="Its page").click()
    page.wait_for_url("**/class/bee-co/layer3/index.html#G2")
    page.context.close()


def test_a_click_with_a_key_held_opens_the_page(browser: Browser, site: Path) -> None:
    page = opened(browser, (site / "class/bee-co/index.html").as_uri())
    with page.context.expect_page() as opening:
        page.locator('#circuit svg a[data-key="layer3/G2"]').click(modifiers=["Control"])
    opening.value.wait_for_url("**/layer3/index.html#G2")
    expect(page.locator("#circuit .panel")).to_be_hidden()
    page.context.close()


KIN = """(svg, key) => {
  const cards = [...svg.querySelectorAll(':scope > a[data-key]')];
  const number = (card) => Number(/c(\\d+)/.exec(card.getAttribute('class'))[1]);
  const ends = (line) => /u(\\d+) l(\\d+)/.exec(line.getAttribute('class')).slice(1).map(Number);
  const lines = [...svg.querySelectorAll('path.e')].map(ends);
  const start = number(cards.find((card) => card.dataset.key === key));
  const found = new Set([start]);
  for (const [from, to] of [[0, 1], [1, 0]]) {
    let edge = [start];
    while (edge.length) {
      edge = [...new Set(edge.flatMap((n) => lines.filter((l) => l[from] === n).map((l) => l[to])))];
      edge.forEach((n) => found.add(n));
    }
  }
  const lit = new Set(cards.filter((card) => card.classList.contains('on')).map(number));
  return [[...found].sort(), [...lit].sort()];
}"""


def test_pointing_at_a_card_lights_all_that_it_comes_from_and_leads_to(browser: Browser, site: Path) -> None:
    page = opened(browser, (site / "class/bee-co/index.html").as_uri())
    svg = page.locator("#groups-circuit")
    for card in svg.locator("> a[data-key]").all():
        card.hover()
        wanted, lit = svg.evaluate(KIN, card.get_attribute("data-key"))
        assert lit == wanted
    page.mouse.move(2, 2)
    expect(page.locator("svg.lit")).to_have_count(0)
    page.context.close()


def test_thin_lines_are_hidden_and_neurons_shown(browser: Browser, site: Path) -> None:
    page = opened(browser, (site / "class/bee-co/index.html").as_uri())
    lines = page.locator("#groups-circuit path.e:visible")
    slider = page.get_by_role("slider", name="Lines")
    assert slider.get_attribute("aria-valuetext") == "95% of the flow"
    counts = [lines.count()]
    slider.focus()
    for words in ("80% of the flow", "50% of the flow"):
        page.keyboard.press("ArrowLeft")
        assert slider.get_attribute("aria-valuetext") == words
        counts.append(lines.count())
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[2] >= page.locator("#groups-circuit path.e.main").count()
    inside = page.locator("#groups-circuit .inside").first
    expect(inside).to_be_hidden()
    page.get_by_role("radio", name="Both").check(force=True)
    expect(inside).to_be_visible()
    page.get_by_role("radio", name="Neurons").check(force=True)
    expect(page.locator("#groups-circuit")).to_be_hidden()
    expect(page.locator("#neurons-circuit")).to_be_visible()
    page.locator("#neurons-circuit a[data-key]").nth(1).click()
    expect(page.locator("#circuit .panel")).to_be_visible()
    page.locator("#circuit").evaluate(
        "section => section.scrollIntoView({ behavior: 'instant' })"
    )  # the panel stands at the screen's foot
    page.get_by_role("radio", name="Groups").check(force=True)
    expect(page.locator("#circuit .panel")).to_be_hidden()
    expect(page.locator("#groups-circuit")).to_be_visible()
    page.context.close()


@pytest.mark.parametrize("script", [True, False])
def test_a_narrow_screen_has_a_list_instead_of_the_drawing(browser: Browser, site: Path, script: bool) -> None:
    page = opened(browser, (site / "class/bee-co/index.html").as_uri(), width=360, script=script)
    listed, drawing = page.locator("#circuit .listed"), page.locator("#circuit svg.circuit").first
    expect(listed).to_be_visible()
    expect(drawing).to_be_hidden()
    assert all(0 < one.locator("ul > li").count() <= 3 for one in listed.locator("> li").all())
    page.emulate_media(media="print")
    expect(listed).to_be_hidden()
    expect(drawing).to_be_visible()
    page.emulate_media(media="screen")
    page.set_viewport_size({"width": 900, "height": 900})
    expect(listed).to_be_hidden()
    expect(drawing).to_be_visible()
    page.context.close()


def test_a_wide_drawing_opens_at_its_logit_and_keeps_its_layers_names(browser: Browser, site: Path) -> None:
    page = opened(browser, (site / "class/bee-co/circuit.html").as_uri(), width=901)
    box = page.locator("#neurons .drawing .scroll")
    page.add_style_tag(content="#neurons .scroll { max-inline-size: 20rem !important }")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert box.evaluate("box => box.scrollWidth > box.clientWidth")
    frame = box.bounding_box()
    logit = box.locator(".card").first.bounding_box()
    assert frame is not None
    assert logit is not None
    assert abs(logit["x"] + logit["width"] / 2 - frame["x"] - frame["width"] / 2) < 8
    for left in (0, 120, 9999):
        box.evaluate("(box, left) => { box.scrollLeft = left }", left)
        page.evaluate(DRAWN)
        names = [name.bounding_box() for name in box.locator("text.n").all()]
        assert all(n and frame["x"] <= n["x"] <= frame["x"] + frame["width"] / 2 for n in names), (left, names)
    page.context.close()


def shown(page: Page, table: str, column: int) -> list[str]:
    cells = page.locator(f"{table} tbody tr:visible > :nth-child({column})")
    return [text.strip() for text in cells.all_inner_texts()]


def test_a_table_is_sorted_filtered_and_copied(browser: Browser, site: Path) -> None:
    page = opened(browser, (site / "fidelity/index.html").as_uri())
    page.locator("#table summary").click()
    given = shown(page, "#table", 8)
    head = page.locator("#table thead th").nth(7)
    orders = []
    for _ in range(3):
        head.get_by_role("button").click()
        orders.append((head.get_attribute("aria-sort"), shown(page, "#table", 8)))
    values = sorted(int(text.rstrip("%")) for text in given)
    assert [[int(t.rstrip("%")) for t in o] for _, o in orders[:2]] == [values[::-1], values]
    assert [way for way, _ in orders] == ["descending", "ascending", None]
    assert orders[2][1] == given
    page.get_by_label("Filter rows: Masking").fill("layer3 keep")
    rows = page.locator("#table tbody tr:visible")
    expect(rows).to_have_count(4)
    assert all("layer3" in text and "keep" in text for text in rows.all_inner_texts())
    expect(page.locator("#table .tools .count")).to_have_text(f"4 of {len(given)} rows")
    page.context.close()


def test_a_citation_is_copied(browser: Browser, site: Path) -> None:
    page = opened(browser, (site / "index.html").as_uri())
    page.evaluate("navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }")
    page.get_by_role("button", name="Copy the citation").first.click()
    assert page.evaluate("window.copied").startswith("A sample of flowers. Report made with")
    page.get_by_text("BibTeX").first.click()
    page.get_by_role("button", name="Copy the BibTeX entry").first.click()
    assert page.evaluate("window.copied").startswith("@misc{report-")
    page.context.close()


def test_names_to_be_found_stand_side_by_side(browser: Browser, site: Path) -> None:
    page = opened(browser, (site / "search/index.html").as_uri())
    tops = page.evaluate(
        "[...document.querySelectorAll('ul.chips')].map(list => [...list.children].slice(0, 2))"
        ".filter(two => two.length > 1).map(two => two.map(item => item.getBoundingClientRect().top))"
    )
    page.context.close()
    assert tops
    assert all(first == second for first, second in tops)


def test_a_patch_shows_its_place_on_pointing_and_on_focus(browser: Browser, site: Path) -> None:
    page = opened(browser, (site / "class/bee-co/layer3/index.html").as_uri())
    tip = page.locator(".tip")
    patch = page.locator("#G1 .mosaic a").nth(1)
    patch.hover()
    expect(tip).to_be_visible()
    frame, mark = tip.locator(".frame").bounding_box(), tip.locator("b").bounding_box()
    style = "getComputedStyle(e.querySelector('img')).getPropertyValue"
    left, side = (float(patch.evaluate(f"e => {style}('--{n}')")) for n in "ls")
    assert frame is not None
    assert mark is not None
    assert abs(mark["x"] - frame["x"] - left * frame["width"]) < 1
    assert abs(mark["width"] - side * frame["width"]) < 1
    page.mouse.move(2, 2)
    expect(tip).to_be_hidden()
    page.locator("#G1 .mosaic a").first.focus()
    page.keyboard.press("ArrowRight")
    expect(patch).to_be_focused()
    expect(tip).to_be_visible()
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    page.context.close()


def test_the_place_of_a_patch_stays_beside_it_where_the_page_scrolls(browser: Browser, site: Path) -> None:
    page = opened(browser, (site / "class/bee-co/layer3/index.html").as_uri())
    tip = page.locator(".tip")
    patch = page.locator("#G1 .mosaic a").nth(1)
    page.locator("#G1 .mosaic a").first.focus()
    page.keyboard.press("ArrowRight")
    expect(tip).to_be_visible()
    apart = "a => document.querySelector('.tip').getBoundingClientRect().top - a.getBoundingClientRect().top"
    for block in ("center", "start"):
        patch.evaluate("(a, block) => a.scrollIntoView({block, behavior: 'instant'})", block)
        page.evaluate(DRAWN)
        expect(tip).to_be_visible()
        assert abs(patch.evaluate(apart)) < 5
    page.evaluate("scrollBy({top: 400, behavior: 'instant'})")
    expect(tip).to_be_hidden()
    page.context.close()


def test_a_patch_opens_large_with_its_picture(browser: Browser, root: str) -> None:
    page = opened(browser, f"{root}/class/bee-co/layer3/index.html")
    patches = page.locator("#G1 .mosaic a")
    names = [str(patches.nth(n).locator("img, svg").first.get_attribute("alt")) for n in range(2)]
    patches.first.click()
    box = page.locator("dialog[open]")
    expect(box.get_by_role("heading")).to_have_text(names[0])
    assert re.fullmatch(r"[\w-]+, bee-co/flower <\d+>", names[0]), names
    expect(box.locator(".words")).to_contain_text(f"1 of {patches.count()} patches of neuron group G1")
    assert "predicted bee & <co>" in box.locator(".words").inner_text()
    assert box.locator(".words p").nth(1).inner_text().startswith("The patch: ")
    page.keyboard.press("ArrowRight")
    expect(box.get_by_role("heading")).to_have_text(names[1])
    expect(box.locator(".words")).to_contain_text(f"2 of {patches.count()} patches of neuron group G1")
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(patches.nth(1)).to_be_focused()
    page.context.close()


def place_told(page: Page) -> bool:
    """Whether the patch that the address leads to says in words where it lies."""
    said = page.locator("b:target").evaluate("b => getComputedStyle(b, '::before').content")
    return re.fullmatch(r'"\d+ px at \(\d+, \d+\)"', str(said)) is not None


def test_without_a_script_a_patch_leads_to_its_place(browser: Browser, site: Path) -> None:
    page = opened(browser, (site / "class/bee-co/layer3/index.html").as_uri(), script=False)
    patch = page.locator("#G1 .mosaic a").first
    where = str(patch.get_attribute("href"))
    patch.click()
    page.wait_for_url(f"**/{where.removeprefix('../')}")
    assert place_told(page)
    page.context.close()


def test_a_neuron_is_found_by_its_id(browser: Browser, root: str) -> None:
    page = opened(browser, f"{root}/class/bee-co/index.html")
    field = page.get_by_role("searchbox", name="Find")
    field.fill("n5 layer3")
    field.press("Enter")
    page.wait_for_url("**/search/index.html?q=n5+layer3")
    first = page.locator(".results li").first
    expect(first).to_contain_text(re.compile("^n5 neuron · layer3"), use_inner_text=True)
    page.get_by_role("searchbox", name="Find").fill("angstrom")
    expect(page.locator(".results li").first).to_contain_text(re.compile("^Ångström 3 class"), use_inner_text=True)
    page.get_by_role("searchbox", name="Find").fill("no such thing")
    expect(page.locator(".results h2")).to_have_text("Nothing found")
    page.get_by_role("searchbox", name="Find").fill("n5 layer3")
    page.locator(".results a").first.click()
    page.wait_for_url("**/layer3/index.html#n5")
    page.context.close()


def test_the_single_file_is_the_whole_report(browser: Browser, single: Path) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(single.as_uri())
    expect(page.locator("h1:visible")).to_have_text("A sample of flowers")
    page.get_by_role("link", name="bee & <co>", exact=True).first.click()
    expect(page.locator("h1:visible")).to_have_text("bee & <co>")
    page.locator(
        '.here #circuit svg a[data-key="layer3/G2"], .here #bee-co--circuit svg a[data-key="layer3/G2"]'
    ).click()
    page.locator(".here .panel:visible").get_by_role("link", name="Its page").click()
    page.wait_for_url("**#bee-co-layer3--G2")
    assert re.search(r"\bG2\b", page.locator("article:target h3").inner_text())
    page.locator(".here #bee-co-layer3--G2 .mosaic a").first.click()
    expect(page.locator("dialog[open] .words")).to_contain_text("predicted bee & <co>")
    page.keyboard.press("Escape")
    field = page.get_by_role("searchbox", name="Find")
    field.fill("n5 layer3")
    field.press("Enter")
    expect(page.locator(".results li:visible").first).to_contain_text(re.compile("^n5 neuron · layer3"))
    page.go_back()
    expect(page.locator("h1:visible")).to_have_text("layer3")
    context.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith((single.as_uri(), "data:"))] == []


def test_the_single_file_is_accessible_and_fits_a_narrow_screen(browser: Browser, single: Path) -> None:
    page = opened(browser, f"{single.as_uri()}#bee-co-layer3", width=360)
    found = {}
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        found[theme] = violations(page)
    page.context.close()
    assert found == {"light": [], "dark": []}


def test_the_single_file_is_whole_without_a_script(browser: Browser, single: Path) -> None:
    page = opened(browser, single.as_uri(), script=False)
    assert page.locator("article.page:visible").count() == page.locator("article.page").count() > 10
    page.locator("#bee-co-layer3--G1 .mosaic a").first.click()
    assert place_told(page)
    page.context.close()


def test_the_arrow_keys_walk_through_a_circuit(browser: Browser, root: str) -> None:
    page = opened(browser, f"{root}/class/bee-co/index.html")
    cards = page.locator("#groups-circuit > a[data-key]")
    assert [c.get_attribute("tabindex") for c in cards.all()].count("0") == 1
    focused = "document.activeElement.getAttribute('aria-label')"
    row = "document.activeElement.querySelector('.card').y.baseVal.value"
    cards.first.focus()
    top = page.evaluate(row)
    page.keyboard.press("ArrowDown")
    second = page.evaluate(row)
    assert second > top
    strongest = page.evaluate(
        "[...document.querySelectorAll('#groups-circuit path.e.u0')].sort((a, b) => "
        "b.getAttribute('stroke-width') - a.getAttribute('stroke-width'))[0].classList[3].slice(1)"
    )
    assert page.evaluate("document.activeElement.classList[0]") == f"c{strongest}"
    names = {page.evaluate(focused)}
    for key in ("ArrowLeft", "ArrowLeft", "ArrowRight", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
        names.add(page.evaluate(focused))
        assert page.evaluate(row) == second
    assert len(names) > 1
    page.keyboard.press("ArrowUp")
    assert page.evaluate(row) == top
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#circuit .panel")).to_be_visible()
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    page.keyboard.press("Escape")
    expect(page.locator("#circuit .panel")).to_be_hidden()
    page.context.close()


def test_a_drawing_is_zoomed_and_panned(browser: Browser, site: Path) -> None:
    page = opened(browser, (site / "class/bee-co/circuit.html").as_uri())
    drawing, box = page.locator("#neurons svg.circuit"), page.locator("#neurons .drawing .scroll")
    wide = "e => e.getBoundingClientRect().width"
    before = drawing.evaluate(wide)
    for _ in range(3):
        page.locator("#neurons").get_by_role("button", name="Zoom in").click()
    assert drawing.evaluate(wide) > 1.8 * before
    place = box.bounding_box()
    assert place is not None
    left = box.evaluate("e => e.scrollLeft")
    page.mouse.move(place["x"] + 300, place["y"] + 60)
    page.mouse.down()
    page.mouse.move(place["x"] + 180, place["y"] + 60, steps=4)
    page.mouse.up()
    assert box.evaluate("e => e.scrollLeft") == pytest.approx(left + 120, abs=3)
    page.locator("#neurons").get_by_role("button", name="Whole").click()
    assert drawing.evaluate(wide) <= box.evaluate("e => e.clientWidth")
    page.context.close()


def test_the_neurons_of_one_group_are_picked_out(browser: Browser, site: Path) -> None:
    page = opened(browser, (site / "class/bee-co/layer3/index.html").as_uri())
    members = set(page.locator("#G2 .tables > :nth-child(2) th[scope=row]").all_text_contents())
    page.get_by_role("link", name="How the neurons of G2 are wired").click()
    page.wait_for_function("document.querySelector('svg.picked')")
    own = page.locator("#neurons svg .own .t").all_text_contents()
    assert set(own) == members
    assert page.locator("#neurons select").input_value() == "layer3/G2"
    assert page.locator("#neurons svg > g path.s").count() > len(own)
    page.locator("#neurons select").select_option("")
    expect(page.locator("svg.picked")).to_have_count(0)
    page.context.close()


def test_finds_stand_by_class_with_a_patch_and_a_share(browser: Browser, site: Path) -> None:
    page = opened(browser, (site / "search/index.html").as_uri() + "?q=G1")
    found = page.locator(".results .of-class")
    assert found.count() > 1
    heads = [found.nth(n).locator("h3").inner_text() for n in range(found.count())]
    assert len(set(heads)) == len(heads)
    first = found.first.locator("li").first
    assert first.locator(".patch img").evaluate("e => e.complete || e.loading === 'lazy'")
    assert re.fullmatch(r"(<|>)?\d+%", first.locator(".part").inner_text())
    page.get_by_role("searchbox", name="Search this report").fill("n5 layer3")
    expect(page.locator(".results li").first).to_contain_text(re.compile("n5"))
    page.context.close()


def test_on_a_narrow_screen_tables_beside_pictures_are_folded_and_can_be_opened(browser: Browser, site: Path) -> None:
    page = opened(browser, (site / "class/bee-co/layer3/index.html").as_uri(), width=360)
    folded = page.locator("#G1 details.roomy").first
    expect(folded.locator("table")).to_be_hidden()
    folded.locator("summary").click()
    expect(folded.locator("table")).to_be_visible()
    page.context.close()


def test_a_tile_of_the_overview_opens_the_picture_it_comes_from(browser: Browser, site: Path) -> None:
    page = opened(browser, (site / "index.html").as_uri())
    page.locator(".strips .mosaic a").first.click()
    words = page.locator("dialog[open] .words")
    expect(words).to_contain_text("The patch: ")
    expect(words).to_contain_text("predicted ")
    page.context.close()


def test_the_text_of_charts_is_legible_on_a_narrow_screen(browser: Browser, site: Path) -> None:
    page = opened(browser, (site / "fidelity/bee-co/index.html").as_uri(), width=360)
    sizes = page.evaluate(
        "[...document.querySelectorAll('svg.plot')].flatMap(svg => [...svg.querySelectorAll('text')].map(text =>"
        " parseFloat(getComputedStyle(text).fontSize) * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width))"
    )
    page.context.close()
    assert sizes
    assert min(sizes) >= 11

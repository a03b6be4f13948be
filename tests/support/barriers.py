"""What would keep somebody from reading or using a page, measured in the browser.

After WCAG 2.2: contrast (1.4.3), names of fields and pictures (1.3.1, 1.1.1), order of headings, language (3.1.1), no
sideways scrolling (1.4.10); and stricter: on the page nothing under 18 px, nothing to be hit under 48 px. The board is
denser, on a desk with targets of the size that WCAG 2.2 asks for (2.5.8: 24 px).
"""

from playwright.sync_api import Page

_FIND = """([text, target]) => {
  const found = [];
  const shown = (element) => {
    const box = element.getBoundingClientRect();
    return element.checkVisibility() && box.width > 1 && box.height > 1;
  };
  const named = (element) => element.tagName.toLowerCase() + ' "' + element.textContent.trim().slice(0, 40) + '"';
  for (const element of document.querySelectorAll("details")) element.open = true;

  const channel = (value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  };
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const luminance = ([red, green, blue]) => 0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
  const behind = (element) => {
    for (let above = element; above; above = above.parentElement) {
      const colour = parse(getComputedStyle(above).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const contrast = (one, other) => {
    const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  };

  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.textContent.trim() || element.closest("svg, script, noscript") || !shown(element)) continue;
    const style = getComputedStyle(element);
    if (parseFloat(style.fontSize) < text) found.push("small text: " + named(element) + " " + style.fontSize);
    const ratio = contrast(parse(style.color), behind(element));
    if (ratio < 4.5) found.push("little contrast: " + named(element) + " " + ratio.toFixed(2));
  }

  const targets = "button, summary, select, input:not([type=hidden], [type=radio]), .choice, a";
  for (const element of document.querySelectorAll(targets)) {
    if (!shown(element) || (element.tagName === "A" && element.closest("p"))) continue;
    const box = element.getBoundingClientRect();
    const size = box.width + "x" + box.height;
    if (box.height < target || box.width < target) found.push("small target: " + named(element) + " " + size);
  }
  for (const element of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    if (!element.labels || element.labels.length === 0) found.push("no label: " + element.name);
  }
  for (const element of document.querySelectorAll("button, a, summary")) {
    if (!element.textContent.trim()) found.push("no name: " + element.outerHTML.slice(0, 80));
  }
  for (const element of document.querySelectorAll("svg")) {
    if (!element.getAttribute("aria-label") && !element.querySelector("title")) found.push("a picture without words");
  }
  let before = 0;
  for (const element of document.querySelectorAll("h1, h2, h3, h4")) {
    const level = Number(element.tagName[1]);
    if (level > before + 1) found.push("a heading skips a level: " + named(element));
    before = level;
  }
  if (document.querySelectorAll("h1").length !== 1) found.push("not one first heading");
  if (document.querySelectorAll("main").length !== 1) found.push("not one main part");
  if (!document.documentElement.lang) found.push("no language");
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  if (new Set(ids).size !== ids.length) found.push("an id stands twice");
  const wide = document.documentElement.scrollWidth;
  if (wide > innerWidth) found.push("scrolls sideways: " + wide + " px");
  return found;
}"""


def barriers(page: Page, text: float = 18, target: float = 48) -> list[str]:
    """Everything of that kind on a page, with all that can be unfolded unfolded; least sizes in px.

    A click waits for the next page to begin, not for its style sheet.
    """
    page.wait_for_load_state()
    return [str(item) for item in page.evaluate(_FIND, [text, target])]

"""Looks at a page: opens its folds, finds what has no name and what is too faint to read."""

from __future__ import annotations


def unfold(page, name: str) -> None:
    """Opens a fold. gradio gives its controls their first values a frame after they appear: sooner is lost."""
    page.locator(f"#{name} > button").click()
    page.locator(f"#{name} .open").wait_for()
    page.evaluate(_FRAMES, 3)


def nameless(page, inside: str = "body") -> list[str]:
    """Controls that a screen reader has no name for."""
    return page.evaluate(_NAMELESS, inside)


def faint(page) -> list[str]:
    """Texts on a plain ground with a contrast below 4.5 (WCAG 2.2, 1.4.3)."""
    return page.evaluate(_FAINT)


_FRAMES = """(frames) => new Promise((done) => {
    const next = () => frames-- > 0 ? requestAnimationFrame(next) : done();
    next();
})"""

_NAMELESS = """(inside) => [...document.querySelectorAll('button, input, textarea, select')]
    .filter(control => control.closest(inside) && !['hidden', 'file'].includes(control.type))
    .filter(control => control.offsetParent !== null)
    .filter(control => !control.ariaLabel && !control.title && !control.innerText?.trim())
    .filter(control => !control.labels?.length && !control.getAttribute('aria-labelledby'))
    .map(control => control.outerHTML.slice(0, 120))"""

_FAINT = """() => {
  const parse = (colour) => (colour.match(/[\\d.]+/g) || []).map(Number);
  const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => [r, g, b].map(v => linear(v / 255))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (style.backgroundImage !== 'none') return null;
      const colour = parse(style.backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement;
    const style = getComputedStyle(node);
    if (!walk.currentNode.textContent.trim()) continue;
    if (!node.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    if (node.closest('.unseen, .sr-only, script, style') || parseFloat(style.fontSize) === 0) continue;
    const back = ground(node);
    if (!back) continue;
    const pair = [light(parse(style.color)), light(back)].sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < 4.5) faint.push(`${walk.currentNode.textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return faint;
}"""

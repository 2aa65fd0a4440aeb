"""Skia painting in sides of the picture (0..1), so that a drawing has the same look at every size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import skia

Colour = tuple[int, int, int]
Point = Sequence[float] | np.ndarray


def mix(a: Sequence[float], b: Sequence[float], share: float) -> Colour:
    """Colour between a (share 0) and b (share 1)."""
    r, g, b_ = (min(max(round(p + (q - p) * share), 0), 255) for p, q in zip(a, b, strict=True))
    return r, g, b_


def shade(colour: Sequence[float], amount: float) -> Colour:
    """Darker (amount < 0) or lighter (amount > 0) by a share of the way to black or white."""
    return mix(colour, (0, 0, 0) if amount < 0 else (255, 255, 255), abs(amount))


def path_of(points: np.ndarray, closed: bool = True, smooth: bool = True) -> skia.Path:
    """Path through (or, when smooth, along) points (n, 2)."""
    path = skia.Path()
    if not smooth:
        path.addPoly([skia.Point(x, y) for x, y in points.tolist()], closed)
        return path
    middles = ((points + np.concatenate([points[1:], points[:1]])) / 2).tolist()
    corners = points.tolist()
    if closed:
        path.moveTo(*middles[-1])
        for corner, middle in zip(corners, middles, strict=True):
            path.quadTo(*corner, *middle)
        path.close()
        return path
    path.moveTo(*corners[0])
    for corner, middle in zip(corners[1:-1], middles[1:-1], strict=True):
        path.quadTo(*corner, *middle)
    path.lineTo(*corners[-1])
    return path


class Brush:
    """A canvas of ``size`` pixels a side.

    outline: width of the dark line around filled shapes in sides of the picture; 0 for none.
    soft: whether colours may be graded (photo) or stay flat (cartoon).
    """

    def __init__(self, size: int, *, outline: float = 0.0, soft: bool = True, ink: Colour = (36, 26, 30)) -> None:
        self.pixels = np.zeros((size, size, 4), np.uint8)
        self.surface = skia.Surface(self.pixels)
        self.canvas = self.surface.getCanvas()
        self.canvas.scale(size, size)
        self.outline = outline
        self.soft = soft
        self.ink = ink

    def paint(self, colour: Sequence[float], alpha: float = 1.0) -> skia.Paint:
        r, g, b = colour
        return skia.Paint(AntiAlias=True, Color=skia.Color(int(r), int(g), int(b), round(255 * alpha)))

    def draw(
        self,
        path: skia.Path,
        colour: Sequence[float],
        *,
        alpha: float = 1.0,
        shader: skia.Shader | None = None,
        edge: float | None = None,
        blur: float = 0.0,
    ) -> None:
        """Fill a path; ``edge`` scales the outline (None: 1 for opaque fills, 0 for translucent ones)."""
        paint = self.paint(colour, alpha)
        if shader is not None and self.soft:
            paint.setShader(shader)
        if blur:
            paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, blur))
        self.canvas.drawPath(path, paint)
        width = self.outline * ((1.0 if alpha == 1.0 and not blur else 0.0) if edge is None else edge)
        if width:
            self.stroke(path, self.ink, width)

    def fill(self, points: np.ndarray, colour: Sequence[float], *, smooth: bool = True, **options) -> None:
        self.draw(path_of(points, True, smooth), colour, **options)

    def stroke(self, path: skia.Path, colour: Sequence[float], width: float, alpha: float = 1.0) -> None:
        paint = self.paint(colour, alpha)
        paint.setStyle(skia.Paint.kStroke_Style)
        paint.setStrokeWidth(width)
        paint.setStrokeCap(skia.Paint.kRound_Cap)
        paint.setStrokeJoin(skia.Paint.kRound_Join)
        self.canvas.drawPath(path, paint)

    def line(self, points: np.ndarray, colour: Sequence[float], width: float, alpha: float = 1.0, smooth: bool = True):
        self.stroke(path_of(np.asarray(points, float), False, smooth), colour, width, alpha)

    def circle(self, centre: Point, radius: float, colour: Sequence[float], **options) -> None:
        x, y, radius = float(centre[0]), float(centre[1]), float(radius)
        if options.get("edge", 1 if self.outline else 0) == 0 and options.keys() <= {"alpha", "edge"}:
            self.canvas.drawCircle(x, y, radius, self.paint(colour, options.get("alpha", 1.0)))
            return
        path = skia.Path()
        path.addCircle(x, y, radius)
        self.draw(path, colour, **options)

    def rect(
        self, x: float, y: float, width: float, height: float, colour: Sequence[float], edge: float | None = None
    ) -> None:
        box = skia.Rect.MakeXYWH(x, y, width, height)
        if edge == 0 or not self.outline:
            self.canvas.drawRect(box, self.paint(colour))
            return
        path = skia.Path()
        path.addRect(box)
        self.draw(path, colour, edge=edge)

    def glow(self, centre: Point, radius: float, colour: Sequence[float], alpha: float) -> None:
        """A soft round spot that fades to nothing at its radius."""
        r, g, b = (int(v) for v in colour)
        paint = skia.Paint(AntiAlias=True)
        paint.setShader(self.radial(centre, radius, [skia.Color(r, g, b, int(255 * alpha)), skia.Color(r, g, b, 0)]))
        self.canvas.drawCircle(float(centre[0]), float(centre[1]), float(radius), paint)

    def radial(self, centre: Point, radius: float, colours: Sequence[int]) -> skia.Shader:
        point = skia.Point(float(centre[0]), float(centre[1]))
        return skia.GradientShader.MakeRadial(point, float(radius), list(colours))

    def graded(self, start: Point, end: Point, colours: Sequence[Colour]) -> skia.Shader:
        """Linear gradient between two points."""
        ends = [skia.Point(float(start[0]), float(start[1])), skia.Point(float(end[0]), float(end[1]))]
        return skia.GradientShader.MakeLinear(ends, [skia.Color(*c) for c in colours])

    def sky(self, colours: Sequence[Colour], top: float = 0.0, bottom: float = 1.0) -> None:
        """Fill the whole width from top to bottom with a vertical gradient (also in flat styles)."""
        paint = skia.Paint()
        paint.setShader(self.graded((0, top), (0, bottom), colours))
        self.canvas.drawRect(skia.Rect.MakeLTRB(0, top, 1, bottom), paint)

    def image(self) -> np.ndarray:
        """(size, size, 3) uint8 RGB."""
        return np.ascontiguousarray(self.pixels[..., :3])

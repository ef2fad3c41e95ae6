"""The machine's screen: sector, depth ruler, gray bar, focus mark, banner."""

import math
from dataclasses import dataclass
from datetime import datetime

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.simulator.phantom import BRAIN, Phantom
from edge_agent.simulator.physics import Display, View, compounded, compress, scan_convert, speckle_field
from edge_agent.simulator.tissue import Ellipse
from edge_agent.simulator.truth import Box, EllipsePx, Truth

Pixels = NDArray[np.uint8]
MARK = "SIMULATED - research use, not for diagnosis"
TICK_MM = 10.0
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_INK = (205, 205, 205)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One picture of the screen with its truth."""

    pixels: Pixels
    """uint8, height x width (gray) or height x width x 3 (RGB)."""
    truth: Truth
    """What is true of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One made-up machine's screen."""

    machine: str
    """The machine's name as burned in."""
    width_px: int
    """Columns of the screen."""
    height_px: int
    """Rows of the screen."""
    colour: bool
    """Whether the still is RGB with tinted text, or plain gray."""
    top_px: int
    """Rows above the ultrasound region."""
    bottom_px: int
    """Rows below it."""
    left_px: int
    """Columns left of it: the gray bar."""
    right_px: int
    """Columns right of it: the ruler."""

    @property
    def region(self) -> Box:
        """The ultrasound region of the screen."""
        return (self.left_px, self.top_px, self.width_px - self.right_px, self.height_px - self.bottom_px)


def _layout(machine: str, width_px: int, height_px: int, colour: bool) -> Layout:
    return Layout(
        machine=machine,
        width_px=width_px,
        height_px=height_px,
        colour=colour,
        top_px=44,
        bottom_px=26,
        left_px=30,
        right_px=44,
    )


LAYOUTS = (
    _layout("SAMPLE SONO S1", 800, 540, False),
    _layout("EXAMPLE ECHO E5", 960, 720, True),
    _layout("MUSTER SCAN M9", 1024, 768, True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """The texts that a machine burns into its pictures."""

    name: str
    """The made-up patient's name in Latin letters."""
    patient_id: str
    """The made-up patient's number."""
    taken: datetime
    """When the still was frozen, as the machine's clock shows it."""
    weeks: float
    """Gestational age in weeks."""
    mechanical_index: float
    """MI as shown."""
    thermal_index: float
    """TIs as shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """How the probe and the heart moved since the first frame."""

    dx_mm: float = 0.0
    """Probe to the right, mm."""
    dz_mm: float = 0.0
    """Probe deeper, mm."""
    phase: float = 0.0
    """Place in the heart beat, 0..1."""


class Scan:
    """One pose of the probe: gives frames whose speckle stays with the tissue while things move."""

    def __init__(
        self, phantom: Phantom, layout: Layout, banner: Banner | None, rng: np.random.Generator
    ) -> None:
        """Choose the zoom and the machine's settings.

        Args:
            phantom: the body.
            layout: the machine's screen.
            banner: texts to burn in, or None for a clean picture.
            rng: draws zoom, gain and speckle.
        """
        self.phantom = phantom
        self.layout = layout
        self.banner = banner
        self.view = _zoom(phantom, layout, rng)
        self.display = Display(
            range_db=float(rng.uniform(48.0, 58.0)),
            gain_db=float(rng.uniform(-6.0, 0.5)),
            gamma=float(rng.uniform(1.05, 1.4)),
            smoothing=float(rng.uniform(0.6, 1.1)),
        )
        self._speckle = [speckle_field(phantom.probe, rng) for _ in range(self.display.looks)]

    def frame(self, motion: Motion | None = None) -> Frame:
        """Give the screen after `motion` (default: none)."""
        motion = motion or Motion()
        probe, display = self.phantom.probe, self.display
        canvas = self.phantom.tissue(probe.grid().moved(motion.dx_mm, motion.dz_mm), motion.phase)
        middle_mm = probe.focus_mm + probe.radius_mm
        shift = (-round(motion.dz_mm / probe.step_mm), -round(motion.dx_mm / (middle_mm * probe.step_rad)))
        fields = [np.roll(field, shift, axis=(0, 1)) for field in self._speckle]
        gray = compress(compounded(canvas, probe, fields, display.floor_db), display)
        screen = np.zeros((self.layout.height_px, self.layout.width_px, 3), dtype=np.uint8)
        x0, y0, x1, y1 = self.layout.region
        screen[y0:y1, x0:x1] = scan_convert(gray, probe, self.view, self.layout.region)[..., None]
        _draw_scales(screen, self.layout, self.view, probe.focus_mm)
        boxes, texts = _burn(screen, self.layout, self.banner)
        pixels = screen if self.layout.colour else np.ascontiguousarray(screen[..., 0])
        return Frame(pixels=pixels, truth=self._truth(motion, boxes, texts))

    def _truth(self, motion: Motion, boxes: tuple[Box, ...], texts: tuple[str, ...]) -> Truth:
        phantom, view, outline = self.phantom, self.view, self.phantom.outline
        scale = view.mm_per_pixel
        head = phantom.type == BRAIN
        ellipse = self._on_screen(outline, motion) if head else None
        lesions = [self._on_screen(lesion.outline, motion) for lesion in phantom.lesions]
        caliper: tuple[float, float, float, float] | None = None
        if phantom.atrium_line_mm is not None:
            (ax, az), (bx, bz) = phantom.atrium_line_mm
            caliper = (
                *view.to_screen(ax - motion.dx_mm, az - motion.dz_mm),
                *view.to_screen(bx - motion.dx_mm, bz - motion.dz_mm),
            )
        return Truth(
            type=phantom.type,
            plane=phantom.plane,
            finding=phantom.finding,
            weeks=phantom.weeks,
            hc_mm=phantom.hc_mm,
            bpd_mm=2.0 * outline.b_mm if head else None,
            ofd_mm=2.0 * outline.a_mm if head else None,
            atrium_mm=phantom.atrium_mm,
            atrium_px=caliper,
            tcd_mm=phantom.tcd_mm,
            femur_mm=phantom.length_mm,
            ellipse=ellipse,
            lesion=lesions[0] if lesions else None,
            mm_per_pixel=scale,
            width_px=self.layout.width_px,
            height_px=self.layout.height_px,
            sector_box=self.layout.region,
            banner_boxes=boxes,
            burned_texts=texts,
        )

    def _on_screen(self, outline: Ellipse, motion: Motion) -> EllipsePx:
        cx, cy = self.view.to_screen(outline.x_mm - motion.dx_mm, outline.z_mm - motion.dz_mm)
        long_mm, short_mm = max(outline.a_mm, outline.b_mm), min(outline.a_mm, outline.b_mm)
        turn = 0.0 if outline.a_mm >= outline.b_mm else 90.0
        angle = 90.0 - (90.0 - math.degrees(outline.angle_rad) - turn) % 180.0
        scale = self.view.mm_per_pixel
        return EllipsePx(cx=cx, cy=cy, a=long_mm / scale, b=short_mm / scale, angle_deg=angle)


def _zoom(phantom: Phantom, layout: Layout, rng: np.random.Generator) -> View:
    """Choose a zoom at which the whole part lies in the region, near its middle."""
    outline = phantom.outline
    x0, y0, x1, y1 = layout.region
    c, s = math.cos(outline.angle_rad), math.sin(outline.angle_rad)
    half_x = math.hypot(outline.a_mm * c, outline.b_mm * s)
    half_z = math.hypot(outline.a_mm * s, outline.b_mm * c)
    share = float(rng.uniform(0.45, 0.72))
    scale = max(2.0 * half_x / (share * (x1 - x0)), 2.0 * half_z / (0.86 * (y1 - y0)))
    spare_x = ((x1 - x0) - 2.0 * half_x / scale) / 2.0 - 12.0
    spare_y = ((y1 - y0) - 2.0 * half_z / scale) / 2.0 - 12.0
    cx = (x0 + x1) / 2.0 + float(rng.uniform(-0.4, 0.4)) * spare_x
    cy = (y0 + y1) / 2.0 + float(rng.uniform(-0.4, 0.7)) * spare_y
    return View(
        mm_per_pixel=scale, origin_x_px=cx - outline.x_mm / scale, origin_y_px=cy - outline.z_mm / scale
    )


def _draw_scales(screen: Pixels, layout: Layout, view: View, focus_mm: float) -> None:
    """Draw the gray bar left, the depth ruler (tick each 10 mm, longer each 50) and the focus mark right."""
    _, y0, x1, y1 = layout.region
    bar = np.linspace(255, 0, min(128, y1 - y0), dtype=np.uint8)
    screen[y0 : y0 + len(bar), 8:18] = bar[:, None, None]
    first = math.ceil((y0 - view.origin_y_px) * view.mm_per_pixel / TICK_MM)
    last = math.floor((y1 - 1 - view.origin_y_px) * view.mm_per_pixel / TICK_MM)
    for tick in range(max(first, 0), last + 1):
        row = round(view.origin_y_px + tick * TICK_MM / view.mm_per_pixel)
        long = tick % 5 == 0
        cv2.line(screen, (x1 + 4, row), (x1 + (14 if long else 9), row), _INK, 1)
        if long and y0 + 6 < row < y1 - 6:
            cv2.putText(screen, str(tick), (x1 + 18, row + 4), _FONT, 0.36, _INK, 1, cv2.LINE_AA)
    row = round(view.origin_y_px + focus_mm / view.mm_per_pixel)
    if y0 + 5 < row < y1 - 5:
        tip = np.array([[x1 + 1, row], [x1 - 6, row - 4], [x1 - 6, row + 4]], dtype=np.int32)
        cv2.fillConvexPoly(screen, tip, (230, 190, 60) if layout.colour else _INK)


def _burn(screen: Pixels, layout: Layout, banner: Banner | None) -> tuple[tuple[Box, ...], tuple[str, ...]]:
    """Write the banner; give the boxes and texts written."""
    if banner is None:
        return (), ()
    right, low = layout.width_px - 8, layout.height_px - 9
    days = round(banner.weeks * 7.0)
    middle = f"{banner.taken:%Y-%m-%d}  {banner.taken:%H:%M:%S}"
    indices = f"MI {banner.mechanical_index:.1f}  TIs {banner.thermal_index:.1f}"
    items = (
        (banner.name, 10, 17, 0.5, False),
        (f"ID {banner.patient_id}", 10, 36, 0.42, False),
        (middle, right, 17, 0.42, True),
        (f"GA {days // 7}w{days % 7}d  {indices}", right, 36, 0.42, True),
        (layout.machine, 10, low, 0.4, False),
        (MARK, right, low, 0.38, True),
    )
    boxes: list[Box] = []
    for text, x, y, size, flush_right in items:
        (width, height), below = cv2.getTextSize(text, _FONT, size, 1)
        left = x - width if flush_right else x
        tint = (150, 200, 235) if layout.colour and text == layout.machine else _INK
        cv2.putText(screen, text, (left, y), _FONT, size, tint, 1, cv2.LINE_AA)
        boxes.append(
            (left - 2, max(0, y - height - 3), left + width + 2, min(layout.height_px, y + below + 2))
        )
    return tuple(boxes), tuple(item[0] for item in items)

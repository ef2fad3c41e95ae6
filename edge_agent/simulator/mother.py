"""What lies around the fetus: skin, fat, muscle, uterus, placenta, fluid."""

import numpy as np

from edge_agent.simulator.tissue import (
    Canvas,
    Ellipse,
    Field,
    Label,
    Texture,
    Tissue,
    as_field,
    inside,
    line_band,
)

FAT = Tissue(label=Label.MOTHER, echo_db=-26.0, loss_db_per_mm=0.05)
MUSCLE = Tissue(label=Label.MOTHER, echo_db=-31.0, loss_db_per_mm=0.06)
UTERUS = Tissue(label=Label.MOTHER, echo_db=-25.0, loss_db_per_mm=0.055)
PLACENTA = Tissue(label=Label.MOTHER, echo_db=-19.0, loss_db_per_mm=0.055)
FLUID = Tissue(label=Label.FLUID, echo_db=-68.0, loss_db_per_mm=0.0)


class Mother:
    """The layers of the belly and the pocket of fluid in which the fetus lies."""

    def __init__(
        self, *, wall_mm: float, pocket: Ellipse, radius_mm: float, rng: np.random.Generator
    ) -> None:
        """Build the surroundings.

        Args:
            wall_mm: thickness of the abdominal wall.
            pocket: outline of the amniotic fluid.
            radius_mm: radius of the probe's face, along which the skin lies.
            rng: draws layers and texture.
        """
        self._wall_mm = wall_mm
        self._pocket = pocket
        self._radius_mm = radius_mm
        self._placenta_turn = float(rng.uniform(-2.6, -0.5) if rng.random() < 0.6 else rng.uniform(0.5, 2.6))
        self._streaks = Texture(rng, 22.0, 1.6)
        self._wave = Texture(rng, 34.0)
        self._edge = Texture(rng, 30.0)
        self._large = Texture(rng, 40.0, 28.0)
        self._lines = Texture(rng, 14.0, 3.5)
        self._patch = Texture(rng, 11.0, 7.0)
        self._fine = Texture(rng, 3.0, 2.0)
        self._glints = Texture(rng, 12.0, 2.2)
        self._shade = Texture(rng, 9.0)
        self._muscle_share = float(rng.uniform(0.55, 0.7))

    def paint(self, canvas: Canvas) -> None:
        """Paint everything but the fetus over the whole canvas."""
        grid = canvas.grid
        x, z = grid.x_mm, grid.z_mm
        depth = np.sqrt(x * x + np.square(z + np.float32(self._radius_mm))) - np.float32(self._radius_mm)
        wave = self._wave.at(x, z)
        streaks = self._streaks.at(x, depth + 1.5 * wave)
        patch, fine = self._patch.at(x, z), self._fine.at(x, z)
        everywhere = np.ones_like(x)
        large = self._large.at(x, z)
        canvas.fill(
            everywhere, UTERUS, 3.0 * patch + 1.5 * fine + 3.0 * large + 2.5 * self._lines.at(x, depth)
        )
        glints = np.maximum(self._glints.at(x, depth + wave) - 1.1, 0.0)
        canvas.coherent += np.float32(0.14) * glints
        self._paint_pocket(canvas, patch, fine)
        layer = depth + 1.6 * wave
        muscle_at = self._muscle_share * self._wall_mm
        canvas.fill(inside(layer - self._wall_mm, 1.0), MUSCLE, 4.0 * streaks)
        canvas.fill(inside(layer - muscle_at, 1.0), FAT, 5.0 * streaks + 1.0 * fine)
        for at, lift in ((self._wall_mm, 11.0), (muscle_at, 12.0), (0.45 * muscle_at, 7.0), (1.0, 14.0)):
            canvas.echo_db += lift * line_band(as_field(layer - at), 1.3)
        # Uneven contact and fat bands shade whole beams.
        across = np.arctan2(x, z + np.float32(self._radius_mm)) * np.float32(self._radius_mm)
        shade = np.maximum(self._shade.at(across, np.zeros_like(across)), 0.0)
        canvas.loss_db_per_mm += 0.10 * shade * inside(layer - self._wall_mm, 1.0)

    def _paint_pocket(self, canvas: Canvas, patch: Field, fine: Field) -> None:
        grid = canvas.grid
        surface = self._pocket.surface(grid)
        distance = surface.distance_mm + 3.0 * self._edge.at(grid.x_mm, grid.z_mm)
        u, v = self._pocket.local(grid)
        turn = np.arctan2(v, u)
        away = np.abs(np.mod(turn - np.float32(self._placenta_turn) + np.pi, 2.0 * np.pi) - np.pi)
        thick = 24.0 * np.exp(-np.square(away / np.float32(0.8)))
        canvas.fill(inside(distance - thick, 2.0), PLACENTA, 1.6 * patch + 1.2 * fine)
        canvas.fill(inside(distance, 1.0), FLUID)
        # Fluid is never quite black: clutter from the walls leaks in.
        canvas.echo_db += 16.0 * inside(distance, 1.0) * np.exp(distance / np.float32(7.0))
        canvas.shine(line_band(as_field(distance - 0.8), 1.6), surface, -13.0, power=6.0, floor=0.1)

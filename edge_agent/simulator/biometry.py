"""Fetal sizes by gestational age: the virtual scanner's yardstick.

Formulas are INTERGROWTH-21st: `w` is exact weeks, lengths are millimetres, `ln` is natural.
"""

import math


def ramanujan_perimeter(a: float, b: float) -> float:
    """Give the perimeter of an ellipse of semi-axes `a` and `b`, in their unit (Ramanujan's formula)."""
    return math.pi * (3.0 * (a + b) - math.sqrt((3.0 * a + b) * (a + 3.0 * b)))


def hc_mm(weeks: float, z: float = 0.0) -> float:
    """Give the head circumference in mm at `weeks` (14-40) and `z` standard deviations."""
    w2, w3, ln = weeks**2, weeks**3, math.log(weeks)
    mu = -28.2849 + 1.69267 * w2 - 0.397485 * w2 * ln
    sigma = 1.98735 + 0.0136772 * w3 - 0.00726264 * w3 * ln + 0.000976253 * w3 * ln**2
    return mu + z * sigma


def ac_mm(weeks: float, z: float = 0.0) -> float:
    """Give the abdominal circumference in mm at `weeks` (14-40) and `z` standard deviations."""
    w2, w3, ln = weeks**2, weeks**3, math.log(weeks)
    mu = -81.3243 + 11.6772 * weeks - 0.000561865 * w3
    sigma = -4.36302 + 0.121445 * w2 - 0.0130256 * w3 + 0.00282143 * w3 * ln
    return mu + z * sigma


def fl_mm(weeks: float, z: float = 0.0) -> float:
    """Give the femur length in mm at `weeks` (14-40) and `z` standard deviations."""
    mu = -39.9616 + 4.32298 * weeks - 0.0380156 * weeks**2
    sigma = math.exp(0.605843 - 42.0014 * weeks**-2 + 0.00000917972 * weeks**3)
    return mu + z * sigma


def tcd_mm(weeks: float, z: float = 0.0) -> float:
    """Give the transcerebellar diameter in mm at `weeks` (14-40) and `z` standard deviations."""
    w = weeks / 10.0
    mu = -13.10907 + 20.8941 * math.sqrt(w) + 0.5035914 * w**3
    return mu + z * (0.4719837 + 0.0500382 * w**3)


def atrium_mm(weeks: float, z: float = 0.0) -> float:
    """Give the width in mm of the lateral ventricle's atrium at `weeks` (15-36) and `z` deviations."""
    mu = 4.389214 + 38.10015 / weeks + 0.0000020063 * weeks**3
    return mu + z * (0.6707227 + 0.034258 * weeks)

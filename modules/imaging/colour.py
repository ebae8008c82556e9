"""Colour correction: the colours of one picture brought to those of another, its brightness left as it is.

8-bit CIE L*a*b*, in the fixed-point form that A1111's image library uses, so that the histograms agree level by level.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Levels = NDArray[np.uint8]

_XYZ_BITS, _GAMMA_BITS = 12, 3
_CURVE_BITS = _XYZ_BITS + _GAMMA_BITS
# sRGB -> XYZ for the D65 white point, each row divided by the white's component
_WHITE = np.array([0.950456, 1.0, 1.088754])
_TO_XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
_LUMA = np.array([0.299, 0.587, 0.114])             # ITU-R BT.601
_LINEAR_BELOW, _LINEAR_SLOPE, _LINEAR_START = 0.008856, 7.787, 16 / 116    # CIE 1976: the cube root's straight foot


def colours_of(picture: Image.Image) -> Levels:
    """What ``corrected`` brings another picture to: (H, W, 3) L*a*b* levels."""
    return _to_lab(np.asarray(picture.convert("RGB")))


def corrected(picture: Image.Image, target: Levels) -> Image.Image:
    """``picture`` with the histograms of ``target`` (from ``colours_of``) in L*, a* and b*, but with its own luminosity."""
    pixels = np.asarray(picture.convert("RGB"))
    lab = _to_lab(pixels)
    matched = np.stack([_matched(lab[..., axis], target[..., axis]) for axis in range(3)], axis=-1)
    return Image.fromarray(_with_luminosity(_to_rgb(matched), pixels))


def _matched(source: Levels, template: Levels) -> Levels:
    """Each level of ``source`` becomes the level of ``template`` that as large a share of the pixels lies below."""
    counts, wanted = np.bincount(source.ravel(), minlength=256), np.bincount(template.ravel(), minlength=256)
    levels = np.flatnonzero(wanted)
    shares = np.cumsum(wanted[levels]) / template.size
    return np.interp(np.cumsum(counts) / source.size, shares, levels).astype(np.uint8)[source]


@functools.cache
def _forward_tables() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(level -> linear light, linear light -> CIE curve, integer matrix)."""
    light = np.rint(255 * (1 << _GAMMA_BITS) * _linear(np.arange(256) / 255)).astype(np.int64)
    share = np.arange(256 * 3 // 2 << _GAMMA_BITS) / (255 << _GAMMA_BITS)
    curve = np.where(share < _LINEAR_BELOW, share * _LINEAR_SLOPE + _LINEAR_START, np.cbrt(share))
    matrix = np.rint((1 << _XYZ_BITS) * _TO_XYZ / _WHITE[:, None]).astype(np.int64)
    return light, np.rint((1 << _CURVE_BITS) * curve).astype(np.int64), matrix


def _to_lab(pixels: Levels) -> Levels:
    light, curve, matrix = _forward_tables()
    xyz = _shifted(light[pixels] @ matrix.T, _XYZ_BITS)
    fx, fy, fz = (curve[xyz[..., axis]] for axis in range(3))
    scale, start = (116 * 255 + 50) // 100, -((16 * 255 * (1 << _CURVE_BITS) + 50) // 100)
    middle = 128 << _CURVE_BITS
    lab = np.stack([scale * fy + start, 500 * (fx - fy) + middle, 200 * (fy - fz) + middle], axis=-1)
    return np.clip(_shifted(lab, _CURVE_BITS), 0, 255).astype(np.uint8)


def _shifted(numbers: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    """Fixed point -> whole numbers, rounded to the nearest."""
    return (numbers + (1 << bits - 1)) >> bits


def _to_rgb(lab: Levels) -> Levels:
    levels = lab.astype(np.float64)
    fy = (levels[..., 0] * (100 / 255) + 16) / 116
    curve = np.stack([fy + (levels[..., 1] - 128) / 500, fy, fy - (levels[..., 2] - 128) / 200], axis=-1)
    foot = np.cbrt(_LINEAR_BELOW)
    xyz = np.where(curve <= foot, (curve - _LINEAR_START) / _LINEAR_SLOPE, curve**3) * _WHITE
    return np.rint(255 * _encoded(np.clip(xyz @ np.linalg.inv(_TO_XYZ).T, 0, 1))).astype(np.uint8)


def _linear(encoded: NDArray[np.float64]) -> NDArray[np.float64]:
    """sRGB's transfer curve, 0 .. 1 (IEC 61966-2-1)."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def _encoded(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def _with_luminosity(colour: Levels, brightness: Levels) -> Levels:
    """The hue and saturation of one picture with the luminosity of the other.

    Source: the non-separable blend mode "luminosity" of W3C, Compositing and Blending Level 1.
    """
    base = colour / 255
    wanted = (brightness / 255) @ _LUMA
    shifted = base + (wanted - base @ _LUMA)[..., None]
    luminosity = (shifted @ _LUMA)[..., None]
    low, high = shifted.min(axis=-1, keepdims=True), shifted.max(axis=-1, keepdims=True)
    around = shifted - luminosity
    with np.errstate(divide="ignore", invalid="ignore"):
        raised = np.where(low < 0, luminosity + around * luminosity / (luminosity - low), shifted)
        lowered = np.where(high > 1, luminosity + (raised - luminosity) * (1 - luminosity) / (high - luminosity), raised)
    return (np.clip(np.nan_to_num(lowered), 0, 1) * 255).astype(np.uint8)       # cut, not rounded, as in A1111

import colorsys
import hashlib
import io
import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage, stats
from sklearn.datasets import load_sample_image

from noise.errors import NoiseError
from noise.images.cifar10c import RENDERERS, render
from noise.images.elastic import affine_source
from noise.severity import CONSTANTS, DEFAULT_SEVERITY, RANGES, WHOLE
from noise.streams import below, sample_words, uniforms

KINDS = list(CONSTANTS)
SEVERITIES = (1, 3, 5)
at_severities = pytest.mark.parametrize("severity", SEVERITIES)
each_kind = pytest.mark.parametrize("kind", KINDS)


def constants(kind, severity):
    return {name: values[severity - 1] for name, values in CONSTANTS[kind].items()}


def words_of(kind, images, ids=None):
    ids = np.arange(len(images)) if ids is None else ids
    words = sample_words(ids, RENDERERS[kind].words(images.shape[1:]), "pictures", 0, kind)
    words.flags.writeable = False
    return words


def values_of(kind, images, severity):
    """Images of a kind before rounding, and the random words that they were made from."""
    words = words_of(kind, images)
    return RENDERERS[kind].render(images, words, **constants(kind, severity)), words


def frozen(images):
    images = np.ascontiguousarray(images, dtype=np.uint8)
    images.flags.writeable = False
    return images


@pytest.fixture(scope="module")
def photographs():
    """Eight 32x32 crops of the photographs in scikit-learn, reduced by a factor of eight."""
    pictures = []
    for name, corner in itertools.product(
        ("china.jpg", "flower.jpg"), ((0, 0), (60, 256), (150, 100), (160, 380))
    ):
        cut = load_sample_image(name)[corner[0] :, corner[1] :][:256, :256]
        pictures.append(cut.reshape(32, 8, 32, 8, 3).mean(axis=(1, 3)).round())
    return frozen(pictures)


def made_up(count, height, width, channels=3):
    """Images by integer arithmetic only, equal on every machine and with every library version."""
    row, y, x, channel = np.indices((count, height, width, channels))
    return frozen((row * 37 + y * 11 + x * 7 + channel * 101 + row * x * y) % 256)


def flat(value, count=40_000):
    """One image with the same value in all pixels."""
    return frozen(np.full((1, 200, count // 200, 1), value))


# The tables.


def test_tables_agree_with_each_other():
    assert set(RENDERERS) == set(CONSTANTS) == set(RANGES)
    assert DEFAULT_SEVERITY in range(1, 6)
    for kind, names in CONSTANTS.items():
        assert set(names) == set(RANGES[kind])
        for name, values in names.items():
            low, high = RANGES[kind][name]
            assert len(values) == 5
            assert all(low <= value <= high for value in values)
            assert (kind, name) not in WHOLE or all(value == int(value) for value in (*values, low, high))
    assert all(name in CONSTANTS[kind] for kind, name in WHOLE)


@pytest.mark.slow
@each_kind
def test_all_corners_of_the_ranges_can_be_rendered(kind):
    images = made_up(3, 9, 12)
    for corner in itertools.product(*RANGES[kind].values()):
        given = dict(zip(RANGES[kind], corner, strict=True))
        values = RENDERERS[kind].render(images, words_of(kind, images), **given)
        assert np.isfinite(values).all(), given


# Every kind.


@pytest.mark.slow
@each_kind
@at_severities
def test_each_image_is_rendered_independently_and_inputs_stay_unchanged(kind, severity, photographs):
    before = photographs.copy()
    together = render(kind, photographs, words_of(kind, photographs), constants(kind, severity))
    order = np.array([5, 2, 7, 0, 3, 6, 1, 4])
    for part in (order[:1], order[1:4], order[4:]):
        some = frozen(photographs[part])
        apart = render(kind, some, words_of(kind, some, part), constants(kind, severity))
        np.testing.assert_array_equal(apart, together[part])
    np.testing.assert_array_equal(photographs, before)
    assert (together != photographs).any(axis=(1, 2, 3)).all()


@pytest.mark.slow
@each_kind
@pytest.mark.parametrize("shape", [(20, 33, 3), (33, 20, 3), (2, 3, 3), (3, 1, 3), (1, 1, 3)])
def test_any_size_keeps_its_shape(kind, shape):
    images = made_up(4, *shape)
    for severity in SEVERITIES:
        result = render(kind, images, words_of(kind, images), constants(kind, severity))
        assert result.shape == images.shape
        assert result.dtype == np.uint8
    assert render(kind, images[:0], words_of(kind, images[:0]), constants(kind, 3)).shape == (0, *shape)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "saturate"])
def test_one_channel_is_rendered_like_the_channels_of_a_grey_image(kind, photographs):
    grey = frozen(photographs[..., 1:2])
    result = render(kind, grey, words_of(kind, grey), constants(kind, 5))
    assert result.shape == grey.shape
    if RENDERERS[kind].words((1, 1, 3)) != 3:  # Noise differs between the channels.
        colour = frozen(np.repeat(grey, 3, axis=-1))
        threefold = render(kind, colour, words_of(kind, colour), constants(kind, 5))
        np.testing.assert_allclose(threefold, np.repeat(result, 3, axis=-1), atol=1 if kind == "jpeg" else 0)


def test_kinds_that_need_other_channels_are_refused():
    for kind, channels in (("saturate", 4), ("jpeg", 2)):
        images = made_up(2, 4, 4, channels)
        with pytest.raises(NoiseError, match=rf"{kind} needs images of .*3 channels.* these have {channels}"):
            render(kind, images, words_of(kind, images), constants(kind, 3))


def test_the_last_zoom_of_the_script_has_another_size():
    """Its range of floating-point numbers ends just above 1.25, where 32.5 pixels are rounded up."""
    script, factor = np.arange(1, 1.26, 0.01)[-1], CONSTANTS["zoom-blur"]["factor"][4]
    image = np.zeros((26, 26))
    assert script > factor == 1.25
    sides = [np.asarray(ndimage.zoom(image, zoom)).shape[0] for zoom in (script, factor)]
    assert sides == [33, 32]


@pytest.mark.parametrize(
    "kind",
    "gaussian shot impulse speckle gaussian-blur motion-blur zoom-blur brightness contrast jpeg pixelate".split(),
)
def test_higher_severities_change_more(kind, photographs):
    change = []
    # A half-Gaussian of two steps ends long before either radius: motion at severity 4 is that at 3.
    for severity in (1, 2, 3, 5) if kind == "motion-blur" else range(1, 6):
        result = render(kind, photographs, words_of(kind, photographs), constants(kind, severity))
        change.append(np.square(result - photographs.astype(float)).mean())
    assert all(np.diff(change) > 0), change


def test_render_rounds_to_nearest_and_clips():
    images = np.array([0, 10, 200, 250], dtype=np.uint8).reshape(1, 2, 2, 1)
    result = render("brightness", images, words_of("brightness", images), {"shift": 0.05})
    np.testing.assert_array_equal(result.ravel(), [13, 23, 213, 255])  # 0.05 of full intensity is 12.75.


DIGESTS = {
    "gaussian": "650d4eab01d45d89",
    "shot": "ba03d312cf78b269",
    "impulse": "2dd237aa5e14bd9b",
    "speckle": "821460643f9ab439",
    "gaussian-blur": "5db1a4a39875fc6e",
    "defocus-blur": "1e23857f9dd8c407",
    "glass-blur": "ded3746b07c3ac55",
    "motion-blur": "9cde99845666efc5",
    "zoom-blur": "0805fd4411fa956e",
    "brightness": "6eb19fe86195db8f",
    "contrast": "891b39f8e2f0a138",
    "saturate": "29e5e13f02d3fee1",
    "pixelate": "1ca38c61cf5023ba",
    "elastic": "594288bc47bc8d57",
}


@pytest.mark.parametrize("kind", list(DIGESTS))
def test_pixels_are_the_same_everywhere(kind):
    images = made_up(6, 32, 32)
    parts = [render(kind, images, words_of(kind, images), constants(kind, level)) for level in range(1, 6)]
    assert hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()[:16] == DIGESTS[kind]


# Noise of single values.


@at_severities
def test_gaussian_and_speckle_are_the_quantiles_of_the_words(severity, photographs):
    for kind, spread in (("gaussian", 255.0), ("speckle", photographs.astype(float))):
        values, words = values_of(kind, photographs, severity)
        sigma = CONSTANTS[kind]["sigma"][severity - 1] * np.broadcast_to(spread, photographs.shape)
        wanted = photographs + stats.norm.ppf(uniforms(words)).reshape(photographs.shape) * sigma
        np.testing.assert_allclose(values, np.clip(wanted, 0, 255), atol=1e-9)


@at_severities
def test_shot_is_the_poisson_quantile_of_the_words(severity, photographs):
    values, words = values_of("shot", photographs, severity)
    photons = CONSTANTS["shot"]["photons"][severity - 1]
    counts = stats.poisson.ppf(uniforms(words).reshape(photographs.shape), photographs / 255 * photons)
    np.testing.assert_allclose(values, np.clip(counts / photons, 0, 1) * 255, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("photons", [1, 2.5, 500, 10_000])
def test_shot_is_exact_in_the_far_tails(photons):
    # Closer to 1 than 2^-40 the last digits of the distribution function itself decide.
    draws = [0, 2**12, 2**40, 2**52, 2**53 - 1, 2**63, 2**64 - 2**52, 2**64 - 2**24]
    words = np.tile(np.array(draws, np.uint64), (6, 1)).reshape(1, 48)
    images = frozen(np.repeat(np.array([0, 1, 2, 100, 254, 255]), 8).reshape(1, 6, 8, 1))
    values = RENDERERS["shot"].render(images, words, photons=photons)
    counts = stats.poisson.ppf(uniforms(words).reshape(images.shape), images / 255 * photons)
    np.testing.assert_allclose(values, np.minimum(counts / photons, 1) * 255, atol=1e-9)


@at_severities
def test_noise_has_the_mean_and_variance_of_its_distribution(severity):
    for value in (60, 128):
        for kind, variance in (
            ("gaussian", lambda sigma: (255 * sigma) ** 2),
            ("speckle", lambda sigma, value=value: (value * sigma) ** 2),
            ("shot", lambda photons, value=value: value * 255 / photons),
        ):
            values, _ = values_of(kind, flat(value), severity)
            wanted = variance(*constants(kind, severity).values())
            # 4.5 standard errors; the share that gaussian clips is under 1 % at these values.
            assert values.mean() == pytest.approx(value, abs=4.5 * math.sqrt(wanted / values.size) + 0.03)
            assert values.var() == pytest.approx(wanted, rel=4.5 * math.sqrt(2 / values.size) + 0.01)


@at_severities
def test_impulse_changes_the_requested_share_half_to_black_half_to_white(severity):
    amount = CONSTANTS["impulse"]["amount"][severity - 1]
    values, _ = values_of("impulse", flat(90, 200_000), severity)
    black, white = (values == 0).sum(), (values == 255).sum()
    assert ((values == 90) | (values == 0) | (values == 255)).all()
    for hits in (black, white):
        assert stats.binomtest(int(hits), values.size, amount / 2).pvalue > 1e-4


def test_impulse_draws_channels_independently_and_lower_severities_are_nested(photographs):
    weak, strong = (values_of("impulse", photographs, severity)[0] != photographs for severity in (1, 5))
    assert (weak <= strong).all()
    assert 1 in strong.sum(axis=-1)


# Blurs.


@at_severities
def test_gaussian_blur_is_scipys_on_each_channel(severity, photographs):
    values, _ = values_of("gaussian-blur", photographs, severity)
    for image, value in zip(photographs, values, strict=True):
        for channel in range(3):
            plane = image[..., channel].astype(float)
            wanted = ndimage.gaussian_filter(
                plane, CONSTANTS["gaussian-blur"]["sigma"][severity - 1], mode="nearest"
            )
            np.testing.assert_allclose(value[..., channel], wanted, atol=1e-3)


def mirrored(position, length):
    while not 0 <= position < length:
        position = -position if position < 0 else 2 * (length - 1) - position
    return position


@pytest.mark.slow
@at_severities
def test_defocus_blur_is_the_sum_over_a_smoothed_disk(severity, photographs):
    values, _ = values_of("defocus-blur", photographs, severity)
    radius, alias = (CONSTANTS["defocus-blur"][name][severity - 1] for name in ("radius", "alias"))
    inside = [(y, x) for y in range(-8, 9) for x in range(-8, 9) if x * x + y * y <= radius * radius]
    taps = np.array([math.exp(-d * d / (2 * alias * alias)) for d in (-1, 0, 1)])
    taps /= taps.sum()
    wanted = np.zeros(photographs.shape)
    for row, column in itertools.product(range(32), range(32)):
        for (down, right), (y, x) in itertools.product(inside, itertools.product((-1, 0, 1), repeat=2)):
            pixel = photographs[:, mirrored(row + down + y, 32), mirrored(column + right + x, 32)]
            wanted[:, row, column] += taps[y + 1] * taps[x + 1] * pixel / len(inside)
    np.testing.assert_allclose(values, wanted, atol=1e-3)


@pytest.mark.parametrize(("sigma", "distance", "passes"), [(0.05, 1, 1), (0.4, 1, 2), (0.25, 3, 4)])
def test_glass_blur_copies_pixel_by_pixel(sigma, distance, passes, photographs):
    words = words_of("glass-blur", photographs)
    values = RENDERERS["glass-blur"].render(photographs, words, sigma=sigma, distance=distance, passes=passes)
    for image, draws, value in zip(photographs, words.reshape(-1, 32, 32), values, strict=True):

        def blurred(picture):
            return np.stack(
                [ndimage.gaussian_filter(picture[..., c], sigma, mode="nearest") for c in range(3)], -1
            )

        pixels = np.rint(blurred(image.astype(float)))
        for turn in range(passes):
            for row in range(32 - distance, distance, -1):
                for column in range(32 - distance, distance, -1):
                    draw = (int(draws[row, column]) >> (16 * turn)) % 2**16 % (2 * distance) ** 2
                    down, right = (part - distance for part in divmod(draw, 2 * distance))
                    # As in the original: both sides are views, so the second assignment has no effect.
                    here, there = pixels[row, column], pixels[row + down, column + right]
                    pixels[row, column], pixels[row + down, column + right] = there, here
        np.testing.assert_allclose(value, blurred(pixels), atol=1e-3)


def test_glass_blur_takes_near_pixels_and_leaves_the_far_corner(photographs):
    values, _ = values_of("glass-blur", photographs, 1)  # Its sigma is too small to blur.
    near = [
        photographs[:, 1 - down : 32 - down, 1 - right : 32 - right] for down in (0, 1) for right in (0, 1)
    ]
    assert np.any([(values[:, 1:, 1:] == one).all(axis=-1) for one in near], axis=0).all()
    np.testing.assert_array_equal(values[:, 0], photographs[:, 0])
    assert (values[:, 31] != photographs[:, 31]).any()


@pytest.mark.slow
@at_severities
def test_motion_blur_averages_along_a_line(severity, photographs):
    values, words = values_of("motion-blur", photographs, severity)
    radius, sigma = (CONSTANTS["motion-blur"][name][severity - 1] for name in ("radius", "sigma"))
    width = 2 * radius + 1
    weights = [math.exp(-i * i / (2 * sigma * sigma)) for i in range(width)]
    for image, word, value in zip(photographs.astype(float), words, values, strict=True):
        angle = math.radians(-45 + 90 * float(uniforms(word)[0]))
        across, along = width * math.sin(angle), width * math.cos(angle)
        wanted = np.zeros(image.shape)
        for row, column, i in itertools.product(range(32), range(32), range(width)):
            right = math.ceil(i * along / math.hypot(across, along) - 0.5)
            down = math.ceil(i * across / math.hypot(across, along) - 0.5)
            at = min(max(row + down, 0), 31), min(max(column + right, 0), 31)
            wanted[row, column] += weights[i] / sum(weights) * image[at]
        np.testing.assert_allclose(value, wanted, atol=1e-3)


def test_motion_blur_goes_up_and_down_equally_often():
    images = np.zeros((400, 15, 15, 1), np.uint8)
    images[:, 7, 7] = 200
    values, _ = values_of("motion-blur", images, 1)
    rise = np.sign(7 - (values[..., 0].sum(axis=2) @ np.arange(15)) / values.sum(axis=(1, 2, 3))).astype(int)
    assert stats.binomtest(int((rise > 0).sum()), int((rise != 0).sum())).pvalue > 1e-4
    assert values[:, :, 8:].max() == 0  # Light comes from the right, so the trail lies to the left.


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(32, 32), (20, 33), (96, 40), (5, 7)])
@at_severities
def test_zoom_blur_is_the_mean_of_scipys_zooms(shape, severity, photographs):
    images = photographs if shape == (32, 32) else made_up(2, *shape)
    values, _ = values_of("zoom-blur", images, severity)
    zooms = np.arange(100, round(100 * CONSTANTS["zoom-blur"]["factor"][severity - 1]) + 1) / 100
    for image, value in zip(images.astype(float), values, strict=True):
        total = image.copy()
        for zoom in zooms:
            height, width = (math.ceil(length / zoom) for length in shape)
            top, left = (shape[0] - height) // 2, (shape[1] - width) // 2
            large = ndimage.zoom(image[top : top + height, left : left + width], (zoom, zoom, 1), order=1)
            top, left = ((long - length) // 2 for long, length in zip(large.shape, shape, strict=False))
            total += large[top : top + shape[0], left : left + shape[1]]
        np.testing.assert_allclose(value, total / (len(zooms) + 1), atol=1e-6)


# Colour and detail.


@pytest.mark.slow
@at_severities
def test_brightness_and_saturate_are_the_hsv_of_every_pixel(severity, photographs):
    corners = itertools.product((0, 1, 100, 255), repeat=3)
    images = frozen(np.concatenate([photographs[:2].reshape(-1, 3), list(corners)]).reshape(1, -1, 16, 3))
    bright, _ = values_of("brightness", images, severity)
    saturated, _ = values_of("saturate", images, severity)
    shift = CONSTANTS["brightness"]["shift"][severity - 1]
    factor, added = (CONSTANTS["saturate"][name][severity - 1] for name in ("factor", "shift"))
    for pixel, brighter, richer in zip(
        *(part.reshape(-1, 3) for part in (images, bright, saturated)), strict=True
    ):
        hue, saturation, value = colorsys.rgb_to_hsv(*(pixel / 255.0))
        wanted = colorsys.hsv_to_rgb(hue, saturation, min(value + shift, 1))
        np.testing.assert_allclose(brighter, 255 * np.array(wanted), atol=1e-9)
        wanted = colorsys.hsv_to_rgb(hue, min(saturation * factor + added, 1), value)
        np.testing.assert_allclose(richer, 255 * np.array(wanted), atol=1e-9)


@at_severities
def test_contrast_scales_the_spread_and_keeps_the_mean_of_each_channel(severity, photographs):
    values, _ = values_of("contrast", photographs, severity)
    clean, factor = photographs.astype(float), CONSTANTS["contrast"]["factor"][severity - 1]
    np.testing.assert_allclose(values.mean(axis=(1, 2)), clean.mean(axis=(1, 2)), atol=1e-9)
    np.testing.assert_allclose(values.std(axis=(1, 2)), factor * clean.std(axis=(1, 2)), atol=1e-9)
    np.testing.assert_allclose(np.diff(values, axis=2), factor * np.diff(clean, axis=2), atol=1e-9)


@at_severities
def test_jpeg_is_pillows_at_half_colour_resolution(severity, photographs):
    values, _ = values_of("jpeg", photographs, severity)
    for image, value in zip(photographs, values, strict=True):
        file = io.BytesIO()
        Image.fromarray(image).save(
            file, "JPEG", quality=CONSTANTS["jpeg"]["quality"][severity - 1], subsampling="4:2:0"
        )
        np.testing.assert_array_equal(value, np.asarray(Image.open(file).convert("RGB")))


def rounding_decides(length, small):
    """Whether a pixel centre is on the edge of a small pixel and Pillow cannot represent that edge exactly."""
    on_an_edge = any((2 * x + 1) * small % (2 * length) == 0 for x in range(length))
    return on_an_edge and Fraction(length / small) != Fraction(length, small)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (28, 45), (7, 3), (96, 96)])
def test_pixelate_is_pillows_box_filter(height, width, photographs):
    images = photographs if (height, width) == (32, 32) else made_up(3, height, width)
    for scale in (*CONSTANTS["pixelate"]["scale"], 1.0, 0.5, 0.37, 0.11, 0.01):
        values = RENDERERS["pixelate"].render(images, words_of("pixelate", images), scale=scale)
        small = max(1, int(width * scale)), max(1, int(height * scale))
        if rounding_decides(width, small[0]) or rounding_decides(height, small[1]):
            continue
        for image, value in zip(images, values, strict=True):
            boxes = Image.fromarray(image).resize(small, Image.Resampling.BOX)
            wanted = np.asarray(boxes.resize((width, height), Image.Resampling.BOX)).astype(float)
            np.testing.assert_allclose(value, wanted, atol=1.01, err_msg=f"{scale} {small}")


# Elastic.


@pytest.mark.parametrize("shape", [(32, 32), (20, 33)])
@at_severities
def test_elastic_is_an_affine_map_and_a_smooth_displacement(shape, severity, photographs):
    images = photographs if shape == (32, 32) else made_up(3, *shape)
    values, words = values_of("elastic", images, severity)
    given, side = constants("elastic", severity), min(shape)
    rows, columns = np.indices(shape)
    for image, draws, value in zip(images.astype(float), 2 * uniforms(words) - 1, values, strict=True):
        centre, half = np.array([shape[1] // 2, shape[0] // 2]), side // 3
        points = centre + np.array([(half, half), (half, -half), (-half, -half)])
        moved = points + draws[:6].reshape(3, 2) * given["affine"] * side
        # The 2x3 matrix that takes points to moved, made 3x3 and inverted: output pixel to input pixel.
        matrix = np.linalg.solve(np.c_[points, np.ones(3)], moved).T
        back = np.linalg.inv(np.r_[matrix, [[0, 0, 1]]])
        x, y, _ = np.tensordot(back, np.array([columns, rows, np.ones(shape)]), axes=1)
        fields = draws[6:].reshape(2, *shape)
        sigma, size = given["smoothness"] * side, given["amplitude"] * side
        down, right = (ndimage.gaussian_filter(f, sigma, mode="reflect", truncate=3) * size for f in fields)
        for channel in range(3):
            warped = ndimage.map_coordinates(image[..., channel], (y, x), order=1, mode="mirror")
            wanted = ndimage.map_coordinates(warped, (rows + down, columns + right), order=1, mode="reflect")
            np.testing.assert_allclose(value[..., channel], wanted, atol=1e-3)


def test_elastic_without_displacement_leaves_the_image_unchanged(photographs):
    words = words_of("elastic", photographs)
    values = RENDERERS["elastic"].render(photographs, words, amplitude=0, smoothness=0, affine=0)
    np.testing.assert_allclose(values, photographs, atol=1e-4)


def test_the_affine_map_has_an_inverse_in_its_whole_range():
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=6))).reshape(-1, 3, 2)
    for side in range(1, 41):
        moves = signs * (0.999 * RANGES["elastic"]["affine"][1] * side)
        for position in affine_source(moves, side, side):
            assert np.abs(position).max() < 1000 * side


def test_draws_of_glass_blur_are_uniform():
    draws = below(words_of("glass-blur", made_up(4, 64, 64)) & np.uint64(0xFFFF), 4)
    assert stats.chisquare(np.bincount(draws.ravel(), minlength=4)).pvalue > 1e-4

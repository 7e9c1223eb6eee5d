"""Images made smaller and larger: the operators that super-resolution is defined by.

An image that is `FACTOR` times smaller has, in each pixel, the mean of the pixels it stands for.
Enlarging is bicubic as Pillow does it (a = -.5), pixel centres aligned.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

FACTOR = 4
_LEAST = 1e-6  # below, a block is black (or white) and can only be filled


def shrunk(images: Tensor, factor: int = FACTOR) -> Tensor:
    """Mean over blocks: (B, C, H, W) to (B, C, H / factor, W / factor).

    >>> import torch
    >>> shrunk(torch.arange(16.0).reshape(1, 1, 4, 4)).item()
    7.5
    """
    return functional.avg_pool2d(images, factor)


def shrunk_bicubic(images: Tensor) -> Tensor:
    """Bicubic with antialiasing, as Pillow shrinks: (B, C, H, W) to (B, C, H / 4, W / 4)."""
    size = [length // FACTOR for length in images.shape[-2:]]
    return functional.interpolate(images, size, mode="bicubic", antialias=True)


def enlarged_bicubic(images: Tensor) -> Tensor:
    """Bicubic, as Pillow enlarges: (B, C, H, W) to (B, C, 4 H, 4 W).

    >>> import torch
    >>> enlarged_bicubic(torch.ones(1, 1, 2, 3)).shape
    torch.Size([1, 1, 8, 12])
    """
    size = [FACTOR * length for length in images.shape[-2:]]
    return functional.interpolate(images, size, mode="bicubic", antialias=True)


def repeated(images: Tensor) -> Tensor:
    """Every pixel as a block: (B, C, H, W) to (B, C, 4 H, 4 W)."""
    return functional.interpolate(images, scale_factor=float(FACTOR), mode="nearest")


def back_projected(large: Tensor, small: Tensor, *, n_iterations: int = 2) -> Tensor:
    """Large images that give the small ones when they are shrunk, all grey levels in [0, 1].

    What shrinking would miss is added, enlarged (which leaves no blocks), `n_iterations` times;
    what little is left is then taken out block by block, towards black or white, so that no grey
    level leaves [0, 1] and the result is exact.

    References
    ----------
    Irani M, Peleg S. Improving resolution by image registration. CVGIP 1991;53:231.
    doi:10.1016/1049-9652(91)90045-L

    >>> import torch
    >>> small = torch.tensor([[[[0.0, 1.0], [0.3, 0.6]]]])
    >>> exact = back_projected(torch.full((1, 1, 8, 8), 0.5), small)
    >>> torch.allclose(shrunk(exact), small, atol=1e-6)
    True
    """
    for _ in range(n_iterations):
        large = large + enlarged_bicubic(small - shrunk(large))
    large = large.clamp(0.0, 1.0)
    mean = shrunk(large)
    darker = repeated((small / mean.clamp_min(_LEAST)).clamp_max(1.0))
    brighter = repeated(((1.0 - small) / (1.0 - mean).clamp_min(_LEAST)).clamp_max(1.0))
    return 1.0 - (1.0 - large * darker) * brighter

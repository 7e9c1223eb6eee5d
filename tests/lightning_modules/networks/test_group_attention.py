"""Groups of tokens: what is in one, and that padding is not attended to."""

import pytest
import torch

from lightning_modules.networks.group_attention import (
    PADDED_KEY,
    CrossFormerBlock,
    GroupAttention,
    Grouping,
)


def by_definition(block: CrossFormerBlock, x: torch.Tensor) -> torch.Tensor:
    """Attention of every token to the real tokens of its group, without windows or padding.

    Wang et al., section 3.2: neighbours share a window of g x g; at a distance, every I-th token
    of a window of g I x g I; a grid no wider than a group is short-distance with a group as wide.
    """
    b, h, w, c = x.shape
    shorter = min(h, w)
    g, step = (shorter, 1) if shorter <= block.group_size else (block.group_size, block.interval)
    y, z = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    y, z = y.flatten(), z.flatten()
    group = torch.stack([y // (g * step), z // (g * step), y % step, z % step])
    is_together = (group[:, :, None] == group[:, None]).all(0)  # (h w, h w)
    dy = (y % (g * step)) // step
    dz = (z % (g * step)) // step
    index = (dy[:, None] - dy + g - 1) * (2 * g - 1) + dz[:, None] - dz + g - 1
    bias = block.attn.pos.table(g)[index.clamp(0, (2 * g - 1) ** 2 - 1)].permute(2, 0, 1)
    heads = block.attn.heads
    qkv = block.attn.qkv(x.reshape(b, h * w, c)).reshape(b, h * w, 3, heads, c // heads)
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    scores = (q @ k.transpose(-2, -1)) * (c // heads) ** -0.5 + bias
    attended = scores.masked_fill(~is_together, -torch.inf).softmax(-1) @ v
    return block.attn.proj(attended.transpose(1, 2).reshape(b, h * w, c)).reshape(b, h, w, c)


def test_short_distance_groups_are_windows() -> None:
    grid = torch.arange(16).reshape(1, 4, 4, 1)
    groups = Grouping(size=2, interval=1).gather(grid)
    assert groups[0, :, :, 0].tolist() == [
        [0, 1, 4, 5],
        [2, 3, 6, 7],
        [8, 9, 12, 13],
        [10, 11, 14, 15],
    ]


def test_long_distance_groups_are_every_other_token() -> None:
    grid = torch.arange(16).reshape(1, 4, 4, 1)
    groups = Grouping(size=2, interval=2).gather(grid)
    assert groups[0, :, :, 0].tolist() == [
        [0, 2, 8, 10],
        [1, 3, 9, 11],
        [4, 6, 12, 14],
        [5, 7, 13, 15],
    ]


@pytest.mark.parametrize(("size", "interval"), [(7, 1), (7, 2), (3, 4), (2, 3)])
def test_scatter_undoes_gather(size, interval) -> None:
    grouping = Grouping(size, interval)
    height, width = 2 * grouping.window, 3 * grouping.window
    grid = torch.randn(2, height, width, 5)
    assert torch.equal(grouping.scatter(grouping.gather(grid), height, width), grid)


def test_mask_marks_the_padded_tokens_only() -> None:
    mask = Grouping(2, 1).key_mask(4, 4, (1, 0), torch.zeros(1))
    assert mask.dtype == torch.float32
    assert mask[:, 0, 0].tolist() == [
        [0, 0, 0, 0],
        [0, 0, 0, 0],
        [0, 0, PADDED_KEY, PADDED_KEY],
        [0, 0, PADDED_KEY, PADDED_KEY],
    ]


def test_groups_of_no_images_are_counted() -> None:
    grouping = Grouping(2, 2)
    groups = grouping.gather(torch.zeros(0, 8, 4, 3))
    assert groups.shape == (0, 8, 4, 3)
    assert grouping.scatter(groups, 8, 4).shape == (0, 8, 4, 3)


def test_padded_keys_get_no_attention() -> None:
    torch.manual_seed(0)
    attention = GroupAttention(32, heads=2).eval()
    groups = torch.randn(1, 2, 4, 32)
    mask = torch.zeros(2, 1, 1, 4)
    mask[:, ..., 3] = PADDED_KEY
    changed = groups.clone()
    changed[:, :, 3] += 5.0
    first, second = attention(groups, 2, mask), attention(changed, 2, mask)
    torch.testing.assert_close(first[:, :, :3], second[:, :, :3])


def test_a_grid_no_wider_than_a_group_is_one_short_distance_group() -> None:
    block = CrossFormerBlock(32, 1, group_size=7, interval=4, drop_path=0.0)
    assert block.grouping(5, 9) == Grouping(5, 1)
    assert block.grouping(7, 7) == Grouping(7, 1)
    assert block.grouping(8, 8) == Grouping(7, 4)


def test_position_bias_depends_on_the_offset_only() -> None:
    torch.manual_seed(0)
    bias = GroupAttention(32, heads=2).pos(3)
    assert bias.shape == (2, 9, 9)
    torch.testing.assert_close(bias[:, 0, 1], bias[:, 7, 8])  # one to the left, in either row
    assert not torch.allclose(bias[:, 0, 1], bias[:, 1, 0])


@pytest.mark.parametrize(
    ("height", "width", "interval"),
    [
        (14, 14, 1), (14, 14, 2), (25, 25, 4), (25, 25, 1),  # 25: padded at both ends
        (8, 8, 8), (9, 30, 4), (30, 8, 2),  # most groups of the distance are padding
        (7, 7, 4), (3, 3, 1), (5, 9, 4), (9, 2, 1), (1, 1, 1), (1, 6, 2),  # no wider than a group
    ],
)  # fmt: skip
def test_a_block_attends_as_the_definition_says(height, width, interval) -> None:
    torch.manual_seed(0)
    block = CrossFormerBlock(32, 2, group_size=7, interval=interval, drop_path=0.0).double()
    x = torch.randn(2, height, width, 32, dtype=torch.float64)
    torch.testing.assert_close(block._attend(x), by_definition(block, x), rtol=0, atol=1e-12)


def test_wholly_padded_groups_have_finite_gradients() -> None:
    torch.manual_seed(0)
    block = CrossFormerBlock(32, 2, group_size=7, interval=8, drop_path=0.0)
    x = torch.randn(1, 8, 8, 32, requires_grad=True)  # 56 x 56 after padding: 48 of 64 groups
    block(x).square().sum().backward()
    assert torch.isfinite(x.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in block.parameters())

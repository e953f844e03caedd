"""Tests of cvlab.nets: published counts, torchvision's outputs with the same weights, blocks."""

from __future__ import annotations

import re

import pytest
import torch
import torchvision
from torch import nn

from cvlab import nets

SIZES = {"lenet5": (1, 28), "alexnet": (3, 227), "small_resnet": (3, 32)}


def made(name: str) -> nn.Module:
    """A network without memory behind its parameters: enough to count, and to follow shapes."""
    with torch.device("meta"):
        return nets.build(name).eval()


@pytest.mark.parametrize("name", list(nets.PUBLISHED))
def test_parameters_are_as_published(name):
    assert nets.count_parameters(made(name)) == nets.PUBLISHED[name]


@pytest.mark.parametrize("name", list(nets.NETWORKS))
def test_every_network_maps_images_to_logits(name):
    channels, side = SIZES.get(name, (3, 224))
    classes = 10 if name in ("lenet5", "small_resnet") else 1000
    images = torch.zeros(2, channels, side, side, device="meta")
    assert made(name)(images).shape == (2, classes)
    with torch.device("meta"):
        assert nets.build(name, classes=7).eval()(images).shape == (2, 7)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext50"])
@pytest.mark.slow
def test_same_outputs_as_torchvision_with_the_same_weights(name):
    import torchvision

    torch.manual_seed(0)
    peer_name = {"resnext50": "resnext50_32x4d"}.get(name, name)
    peer = getattr(torchvision.models, peer_name)(weights=None).eval()
    ours = nets.build(name).eval()
    # Parameters are made in the same order, so that they can be handed over one by one.
    with torch.no_grad():
        for mine, theirs in zip(ours.parameters(), peer.parameters(), strict=True):
            mine.copy_(theirs)
        images = torch.randn(1, 3, 64, 64)
        torch.testing.assert_close(ours(images), peer(images), rtol=1e-4, atol=1e-5)


def leaves(model: nn.Module) -> list[str]:
    """The layers in their order, with all settings but those that change no number."""
    layers = [str(layer) for layer in model.modules() if not list(layer.children())]
    kept = [text for text in layers if not text.startswith(("Flatten", "Adaptive"))]
    return [re.sub(r"(, )?inplace=\w+", "", text) for text in kept]


def test_vgg16_has_the_layers_of_torchvision():
    import torchvision

    with torch.device("meta"):
        peer = torchvision.models.vgg16(weights=None)
    # Theirs pools to 7 x 7 before the dense layers, which at this size changes nothing.
    assert leaves(made("vgg16")) == leaves(peer)


@pytest.mark.parametrize(
    ("name", "bends"),
    [
        ("lenet5", 4),  # each layer with weights but the last
        ("alexnet", 7),
        ("zfnet", 7),
        ("vgg16", 15),
        ("googlenet", 57),
        ("mobilenet", 27),
    ],
)
def test_a_bend_follows_each_layer_but_the_last(name, bends):
    kinds = [type(m) for m in made(name).modules() if not list(m.children())]
    kinds = [kind for kind in kinds if kind not in (nn.BatchNorm2d, nn.Dropout)]
    weighted = [i for i, kind in enumerate(kinds) if kind in (nn.Conv2d, nn.Linear)]
    assert [kinds[i + 1] for i in weighted[:-1]] == [nn.ReLU] * bends


@pytest.mark.parametrize(("name", "count"), [("alexnet", 3), ("zfnet", 3), ("googlenet", 4 + 9)])
def test_pooling_windows_overlap_as_in_the_papers(name, count):
    pools = [m for m in made(name).modules() if isinstance(m, nn.MaxPool2d)]
    assert [m.kernel_size for m in pools] == [3] * count
    assert sum(m.stride == 1 for m in pools) == count - (4 if name == "googlenet" else 3)


@pytest.mark.parametrize(
    ("name", "millions"),  # of multiply-adds for one image, as the papers have them
    [("mobilenet", 569), ("resnet50", 4089)],
)
def test_the_work_is_that_of_the_paper(name, millions):
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        made(name)(torch.empty(1, 3, 224, 224, device="meta"))
    assert round(counter.get_total_flops() / 2e6) == millions


def test_a_count_leaves_out_frozen_and_repeated_parameters():
    layer = nn.Linear(4, 3)
    assert nets.count_parameters(nn.Sequential(layer, layer)) == 15
    layer.bias.requires_grad_(False)
    assert nets.count_parameters(layer, trainable=True) == 12


def test_a_residual_block_with_a_silent_branch_is_the_identity_of_positive_inputs():
    block = nets.BasicBlock(4, 4).eval()
    nn.init.zeros_(block.branch[-1][1].weight)
    x = torch.rand(2, 4, 5, 5)
    torch.testing.assert_close(block(x), x)
    plain = nets.BasicBlock(4, 4, skip=False).eval()
    nn.init.zeros_(plain.branch[-1][1].weight)
    assert plain(x).abs().max() == 0


@pytest.mark.parametrize("block", [nets.BasicBlock, nets.Bottleneck])
def test_a_stride_halves_the_size_and_the_shortcut_fits(block):
    made = block(6, 8, stride=2)
    assert made(torch.rand(2, 6, 9, 9)).shape == (2, 8 * block.expansion, 5, 5)


def test_squeeze_excite_scales_each_channel_by_its_gate():
    torch.manual_seed(1)
    block, x = nets.SqueezeExcite(8, reduction=2), torch.rand(3, 8, 4, 4)
    gates = block.gates(x)
    assert ((gates > 0) & (gates < 1)).all()
    means = x.mean(dim=(2, 3))
    hidden = torch.relu(means @ block.squeeze.weight.T + block.squeeze.bias)
    expected = torch.sigmoid(hidden @ block.excite.weight.T + block.excite.bias)
    torch.testing.assert_close(gates, expected)
    torch.testing.assert_close(block(x) / x, gates[:, :, None, None].expand_as(x))
    assert nets.SqueezeExcite(4).squeeze.out_features == 1  # never no hidden unit at all


def test_inception_concatenates_its_branches():
    block = nets.Inception(192, 64, (96, 128), (16, 32), 32)
    x = torch.rand(1, 192, 6, 6)
    assert block.out_channels == 256
    parts = block(x).split([64, 128, 32, 32], dim=1)
    for part, branch in zip(parts, (block.one, block.three, block.five, block.pool), strict=True):
        torch.testing.assert_close(part, branch(x))


def test_a_depthwise_separable_block_costs_what_the_formula_says():
    block = nets.DepthwiseSeparable(32, 64)
    weights = sum(m.weight.numel() for m in block.modules() if isinstance(m, nn.Conv2d))
    assert weights == 32 * 9 + 32 * 64


@pytest.mark.parametrize("depth", [8, 20, 44])
def test_a_small_network_has_the_layers_of_its_name(depth):
    model = nets.small_resnet(depth, width=4)
    kernels = [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert len(kernels) + 1 == depth
    plain = nets.small_resnet(depth, width=4, skip=False)
    shortcuts = nets.count_parameters(model) - nets.count_parameters(plain)
    assert shortcuts == (4 * 8 + 16) + (8 * 16 + 32), "two 1 x 1 convolutions and their norms"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: nets.build("resnet"), "there is no network 'resnet'"),
        (lambda: nets.resnet(40), "no ResNet-40"),
        (lambda: nets.small_resnet(10), "not 6 n"),
        (lambda: nets.small_resnet(2), "not 6 n"),
        (lambda: nets.conv_norm(3, 8, 4), "no centre"),
        (lambda: nets.conv_norm(3, 8, stride=0), "stride must be at least 1, not 0"),
        (lambda: nets.SqueezeExcite(8, reduction=0), "reduction must be at least 1, not 0"),
        (lambda: nets.small_resnet(8, width=0), "out_channels must be at least 1, not 0"),
        (lambda: nets.conv_norm(3, 8, dilation=0), "dilation must be at least 1, not 0"),
        (lambda: nets.backbone(0), "width must be at least 1, not 0"),
        (lambda: nets.backbone(8, ()), "at least one"),
        (lambda: nets.backbone(8, (8, 4)), "must rise"),
        (lambda: nets.backbone(8, (4, 4)), "must rise"),
        (lambda: nets.backbone(8, (4, 12)), "powers of two, such as 4 or 8, not 12"),
        (lambda: nets.backbone(8, dilate=6), "powers of two, such as 4 or 8, not 6"),
        (lambda: nets.fpn({}, 8), "is empty"),
        (lambda: nets.fpn({4: 8}, 0), "out must be at least 1"),
        (lambda: nets.roi_align(torch.zeros(2, 1, 4, 4), [torch.zeros(1, 4)]), "2 maps need"),
        (lambda: nets.roi_align(torch.zeros(1, 1, 4, 4), [torch.zeros(4)]), r"\(K, 4\), not \(4"),
        (lambda: nets.UNet(0), "classes must be at least 1, not 0"),
        (lambda: nets.UNet(3, skips="add"), "one of 'concatenate', 'sum', 'none', not 'add'"),
        (lambda: nets.UNet(3, strides=(4, 2)), "must rise"),
        (lambda: nets.UNetDecoder({}), "is empty"),
        (lambda: nets.embedder(0), "dimensions must be at least 1, not 0"),
        (lambda: nets.embedder(stripes=0), "stripes must be at least 1, not 0"),
        (lambda: nets.embedder(pool="sum"), "one of 'mean', 'max', not 'sum'"),
        (lambda: nets.build("lenet5", classes=0), "classes must be at least 1, not 0"),
    ],
)
def test_wrong_names_and_sizes_are_refused_in_a_sentence(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: nets.resnet("34"), "depth must be an integer, not str"),
        (lambda: nets.small_resnet(8.0), "depth must be an integer, not float"),
        (lambda: nets.build("lenet5", classes=True), "classes must be an integer, not bool"),
    ],
)
def test_what_is_no_whole_number_is_refused_in_a_sentence(call, words):
    with pytest.raises(TypeError, match=words):
        call()


def test_a_group_has_at_least_one_channel():
    block = nets.Bottleneck(16, 8, groups=32, group_width=4)
    assert block.branch[1][0].weight.shape == (32, 1, 3, 3)


# --- Networks that keep the place of things ------------------------------------------------------


@pytest.mark.parametrize("shape", [(64, 64), (50, 33), (1, 1)])
def test_a_backbone_returns_its_maps_by_stride(shape):
    height, width = shape
    model = nets.backbone(4, (2, 4, 8, 16))
    assert model.channels == {2: 4, 4: 8, 8: 16, 16: 16}
    maps = model.eval()(torch.rand(2, 3, *shape))
    for stride, channels in model.channels.items():
        size = (-(-height // stride), -(-width // stride))
        assert maps[stride].shape == (2, channels, *size)
    assert list(nets.backbone(4, (8,))(torch.rand(2, 3, 16, 16))) == [8]


def test_a_dilated_backbone_has_the_same_values_on_a_finer_grid():
    torch.manual_seed(0)
    plain = nets.backbone(4, (2, 4, 8, 16)).eval()
    dilated = nets.backbone(4, (2, 4, 8, 16), dilate=4).eval()
    dilated.load_state_dict(plain.state_dict())
    images = torch.rand(1, 3, 64, 48)
    few, many = plain(images), dilated(images)
    for stride, step in ((2, 1), (4, 1), (8, 2), (16, 4)):
        torch.testing.assert_close(many[stride][:, :, ::step, ::step], few[stride])
    assert many[16].shape[-2:] == (16, 12)


@pytest.mark.parametrize("sizes", [{4: 16, 8: 8, 16: 4}, {4: 13, 8: 7, 16: 4}, {8: 5}])
def test_a_feature_pyramid_is_that_of_torchvision_with_the_same_weights(sizes):
    from torchvision.ops import FeaturePyramidNetwork

    torch.manual_seed(0)
    channels = {stride: 3 + i for i, stride in enumerate(sizes)}
    ours, peer = nets.fpn(channels, 6), FeaturePyramidNetwork(list(channels.values()), 6)
    with torch.no_grad():
        for i, stride in enumerate(map(str, sizes)):
            peer.inner_blocks[i][0].load_state_dict(ours.lateral[stride].state_dict())
            peer.layer_blocks[i][0].load_state_dict(ours.smooth[stride].state_dict())
        maps = {s: torch.rand(2, channels[s], n, n) for s, n in sizes.items()}
        expected = peer({str(stride): x for stride, x in maps.items()})
        for stride, out in ours(maps).items():
            torch.testing.assert_close(out, expected[str(stride)])


def test_roi_align_takes_boxes_of_each_image_and_no_box_at_all():
    columns = torch.arange(8.0).expand(2, 3, 8, 8)
    boxes = [torch.zeros(0, 4), torch.tensor([[0.0, 0, 64, 64], [8, 8, 24, 24]])]
    out = nets.roi_align(columns, boxes, size=4)
    assert out.shape == (2, 3, 4, 4)
    # The means of the bins of a ramp are the places of their centres, half a cell less.
    expected = torch.tensor([[0.5, 2.5, 4.5, 6.5], [0.75, 1.25, 1.75, 2.25]])
    torch.testing.assert_close(out[:, 0, 0], expected)
    assert nets.roi_align(columns, [torch.zeros(0, 4)] * 2).shape == (0, 3, 7, 7)


@pytest.mark.parametrize("skips", ["concatenate", "sum", "none"])
@pytest.mark.parametrize("shape", [(64, 48), (50, 33), (3, 17), (1, 1)])
def test_a_unet_labels_each_pixel_of_any_size_and_trains_all_of_itself(skips, shape):
    torch.manual_seed(0)
    model = nets.UNet(5, width=4, skips=skips)
    out = model(torch.rand(2, 3, *shape))
    assert out.shape == (2, 5, *shape)
    assert torch.isfinite(out).all()
    if min(shape) > 16:  # below, normalisation of a single cell passes nothing back
        out.square().mean().backward()
        still = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
        assert still == []


def test_a_unet_without_skips_sees_only_the_coarsest_map():
    def reaches(skips: str) -> list[bool]:
        torch.manual_seed(0)
        decoder = nets.UNetDecoder({2: 4, 4: 6, 8: 8}, skips).eval()
        maps = {
            s: torch.rand(1, c, 32 // s, 32 // s, requires_grad=True)
            for s, c in ((2, 4), (4, 6), (8, 8))
        }
        out = decoder(maps)
        assert out.shape == (1, 4, 16, 16)
        out.sum().backward()
        return [maps[s].grad is not None for s in (2, 4, 8)]

    assert reaches("none") == [False, False, True]
    assert reaches("sum") == reaches("concatenate") == [True, True, True]


def test_what_a_unet_computes_is_written_out():
    torch.manual_seed(0)
    model = nets.UNet(3, width=4, strides=(4, 8)).eval()
    images = torch.rand(2, 3, 24, 40)
    maps, decoder = model.body(images), model.decoder
    below = torch.nn.functional.interpolate(
        decoder.reduce["4"](maps[8]), scale_factor=2, mode="bilinear"
    )
    joined = decoder.smooth["4"](torch.cat([maps[4], below], 1))
    weight, bias = model.classify.weight[:, :, 0, 0], model.classify.bias
    logits = torch.einsum("kc,nchw->nkhw", weight, joined) + bias[:, None, None]
    expected = torch.nn.functional.interpolate(logits, scale_factor=4, mode="bilinear")
    torch.testing.assert_close(model(images), expected)


def test_unets_differ_only_by_what_the_skips_need():
    joined, summed, none = (nets.UNet(7, 16, skips=s) for s in ("concatenate", "sum", "none"))
    assert nets.count_parameters(summed) == nets.count_parameters(none)
    extra = 9 * (64 * 64 + 32 * 32 + 16 * 16)
    assert nets.count_parameters(joined) == nets.count_parameters(none) + extra


def test_a_unet_of_one_map_only_stretches():
    assert nets.UNet(2, 4, strides=(8,))(torch.rand(1, 3, 20, 12)).shape == (1, 2, 20, 12)


# --- Networks that embed --------------------------------------------------------------------------


@pytest.mark.parametrize("pool", ["mean", "max"])
@pytest.mark.parametrize("shape", [(40, 20), (33, 50), (8, 8), (1, 1)])
def test_an_embedder_maps_any_size_to_unit_vectors(pool, shape):
    torch.manual_seed(0)
    model = nets.embedder(6, width=4, pool=pool).eval()
    vectors = model(torch.rand(3, 3, *shape))
    assert vectors.shape == (3, model.dimensions)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))


def test_what_an_embedder_computes_is_written_out():
    torch.manual_seed(0)
    model = nets.embedder(6, width=4, stripes=3, normalise=False).eval()
    images = torch.rand(2, 3, 48, 24)
    maps = nets.backbone(4, (8,)).eval()
    maps.load_state_dict(model.body.state_dict())
    map8 = maps(images)[8]  # (2, 16, 6, 3)
    rows = map8.reshape(2, 16, 3, 2, 3).mean(dim=(3, 4))  # (2, 16, stripes)
    expected = rows.flatten(1) @ model.project.weight.T + model.project.bias
    torch.testing.assert_close(model(images), expected)
    torch.testing.assert_close(model.maps(images), map8)
    torch.testing.assert_close(model.head(map8), expected)
    model.normalise = True
    torch.testing.assert_close(model(images), expected / expected.norm(dim=1, keepdim=True))


def test_pooling_forgets_columns_and_keeps_rows():
    torch.manual_seed(0)
    model = nets.embedder(6, width=4, stripes=2).eval()
    maps = torch.rand(1, 16, 4, 5)
    torch.testing.assert_close(model.head(maps.flip(3)), model.head(maps))
    assert (model.head(maps.flip(2)) - model.head(maps)).abs().max() > 1e-3


def test_all_of_an_embedder_is_trained():
    model = nets.embedder(6, width=4)
    model(torch.rand(4, 3, 40, 20))[:, 0].sum().backward()
    still = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


# --- Networks that say how deep -------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(48, 64), (24, 32), (33, 50), (1, 1)])
def test_a_depth_net_gives_maps_of_halved_sizes_and_trains_all_of_itself(shape):
    torch.manual_seed(0)
    model = nets.DepthNet(2, scales=4, width=4)
    maps = model(torch.rand(3, 3, *shape))
    size = list(shape)
    for each in maps:
        size = [(side + 1) // 2 for side in size]
        assert each.shape == (3, 2, *size)
    sum(each[:, 1].square().sum() for each in maps).backward()
    still = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


def test_scales_are_read_from_one_way_up():
    torch.manual_seed(0)
    many, one = nets.DepthNet(1, scales=3, width=4).eval(), nets.DepthNet(1, width=4).eval()
    one.load_state_dict(many.state_dict(), strict=False)
    images = torch.rand(2, 3, 24, 32)
    assert len(one(images)) == 1
    torch.testing.assert_close(one(images)[0], many(images)[0])


def test_a_depth_net_whose_head_sees_one_pixel_is_a_unet():
    torch.manual_seed(0)
    model, unet = nets.DepthNet(3, width=4).eval(), nets.UNet(3, width=4).eval()
    unet.body.load_state_dict(model.body.state_dict())
    unet.decoder.load_state_dict(model.decoder.state_dict())
    with torch.no_grad():
        weight = unet.classify.weight
        model.heads["2"].weight.copy_(nn.functional.pad(weight, (1, 1, 1, 1)))
        model.heads["2"].bias.copy_(unet.classify.bias)
    images = torch.rand(2, 3, 48, 64)
    expected = unet.classify(unet.decoder(unet.body(images)))
    torch.testing.assert_close(model(images)[0], expected)


def test_a_depth_net_of_no_or_too_many_scales_is_refused():
    for call, words in (
        (lambda: nets.DepthNet(0), "outputs must be at least 1"),
        (lambda: nets.DepthNet(scales=0), "scales must be"),
        (lambda: nets.DepthNet(scales=5), "scales must be"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
    with pytest.raises(TypeError):
        nets.DepthNet(1.5)


# --- What compares --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "columns"), [((-1, 0, 1), (-2, 0)), ((0,), (0, -1, -2)), ((3,), (5,)), ((-9,), (1, 2))]
)
def test_correlation_is_the_mean_product_at_each_displacement(rows, columns):
    a, b = torch.randn(2, 2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    found = nets.correlation(a, b, rows, columns)
    assert found.shape == (2, len(rows) * len(columns), 4, 5)
    for k, (y, x) in enumerate((y, x) for y in rows for x in columns):
        for i in range(4):
            for j in range(5):
                inside = 0 <= i + y < 4 and 0 <= j + x < 5
                wanted = (
                    (a[:, :, i, j] * b[:, :, i + y, j + x]).mean(1) if inside else torch.zeros(2)
                )
                assert torch.allclose(found[:, k, i, j], wanted, atol=1e-6)


def test_correlation_equals_unfolded_windows_with_its_gradients():
    a, b = torch.randn(2, 2, 3, 6, 7, generator=torch.Generator().manual_seed(1)).double()
    given = [each.clone().requires_grad_() for each in (a, b)]
    windows = torch.nn.functional.unfold(given[1], 5, padding=2).view(2, 3, 25, 6, 7)
    wanted = (given[0][:, :, None] * windows).mean(1)
    ours = [each.clone().requires_grad_() for each in (a, b)]
    found = nets.correlation(*ours, range(-2, 3), range(-2, 3))
    assert torch.allclose(found, wanted)
    upstream = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(2)).double()
    wanted.backward(upstream)
    found.backward(upstream)
    for one, other in zip(ours, given, strict=True):
        assert torch.allclose(one.grad, other.grad)


def test_correlation_finds_a_disparity_to_the_left():
    left = torch.randn(1, 8, 5, 20, generator=torch.Generator().manual_seed(3))
    right = torch.roll(left, -3, 3)  # the left pixel u is the right pixel u - 3
    found = nets.correlation(
        *(torch.nn.functional.normalize(m, dim=1) for m in (left, right)), [0], range(0, -6, -1)
    )
    assert (found[..., 5:].argmax(1) == 3).all()


def test_correlation_refuses_other_shapes_and_no_displacement():
    maps = torch.zeros(1, 2, 3, 4)
    for call in (
        lambda: nets.correlation(maps, maps[:, :1], [0], [0]),
        lambda: nets.correlation(maps[0], maps[0], [0], [0]),
        lambda: nets.correlation(maps, maps, [], [0]),
        lambda: nets.correlation(maps, maps, [0], ()),
    ):
        with pytest.raises(ValueError, match="must"):
            call()
    with pytest.raises(TypeError):
        nets.correlation(maps, maps, [0.5], [0])


def test_doctests_of_nets():
    import doctest

    for module in ("segmentation", "depth", "detection", "embedding", "matching"):
        result = doctest.testmod(__import__(f"cvlab.nets.{module}", fromlist=["_"]))
        assert result.failed == 0
        assert result.attempted


class TestBatchIoU:
    def test_it_agrees_with_torchvision_image_by_image(self):
        draw = torch.Generator().manual_seed(0)
        corners = torch.rand(5, 7, 2, 2, generator=draw).sort(2).values.flatten(2)
        a, b = corners[:, :4] * 20, corners[:, 4:] * 20
        wanted = torch.stack([torchvision.ops.box_iou(x, y) for x, y in zip(a, b, strict=True)])
        assert torch.allclose(nets.batch_iou(a, b), wanted, atol=1e-6)

    def test_empty_boxes_and_none(self):
        nothing = torch.zeros(1, 2, 4)
        assert nets.batch_iou(nothing, nothing).tolist() == [[[0, 0], [0, 0]]]
        assert nets.batch_iou(torch.zeros(2, 0, 4), torch.zeros(2, 3, 4)).shape == (2, 0, 3)

    @pytest.mark.parametrize("shape", [(2, 4), (1, 2, 3), (3, 2, 4)])
    def test_other_shapes_are_refused(self, shape):
        with pytest.raises(ValueError, match=r"\(N, K, 4\) and \(N, M, 4\) with one N, not"):
            nets.batch_iou(torch.zeros(1, 2, 4), torch.zeros(shape))

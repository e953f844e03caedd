"""The virtual GPU keeps CUDA's rules on places: what CUDA allows, what it refuses, what it says."""

from __future__ import annotations

import copy
import io
import threading

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import cvlab
import cvlab.train
from cvlab import boxes, geometry, nets
from cvlab.classroom.running import virtual_gpu

TWO = "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and"
GPU = torch.device("cuda", 0)

#: c lies on the CPU and g on the GPU, as do the numbers s and z, indices ic and ig, masks mc and
#: mg, tables wc and w, images im, kernels kc and k, and a grid.
MIXTURES = """
    c + g;  g * s;  s * g;  c * z;  s + z;  torch.add(g, c, out=g);  g.add_(c);  g.add_(s)
    s.clone().add_(z);  c.clone().add_(z);  torch.cat([g, c]);  torch.stack([g, c]);  g @ c
    torch.where(g > 0, g, s);  torch.where(c > 0, g, s);  torch.where(g > 0, g, c);  g[ic];  g[ig]
    c[mg];  g.index_select(0, ic);  g.gather(0, ic);  c.gather(0, ig);  torch.take(g, ic)
    g.masked_fill(mc, 0.0);  g.masked_fill(mg, s);  c.masked_fill(mc, z);  g.masked_select(mc)
    F.embedding(ic, w);  F.embedding(ig, w);  F.linear(g, wc);  F.cross_entropy(w, ic)
    F.cross_entropy(w, ig);  F.cross_entropy(w, ig, weight=c);  F.one_hot(ig, 3);  F.mse_loss(g, c)
    F.batch_norm(w, c, c);  F.conv2d(im, kc);  F.conv2d(im, k);  F.conv2d(im, k, c[:1])
    torch.equal(g, c);  torch.allclose(g, c);  g.copy_(c);  c.clone().copy_(g);  g.to(c).add(c)
    g.type_as(c);  c.new_zeros(2) + c[:2];  g.new_zeros(2) + g[:2];  g.new_tensor([1.0]) + g[:1]
    torch.zeros_like(g) + c;  torch.zeros_like(g, device="cpu") + c;  torch.bincount(ig, c)
    torch.searchsorted(g, c);  torch.maximum(g, s);  torch.maximum(g, c);  torch.clamp(g, min=s)
    torch.lerp(g, g, s);  torch.cdist(w, wc);  torch.einsum("ij,j->i", w, c);  F.pad(g, (1, 1))
    torch.einsum("ij,j->i", w, g);  torch.scatter(g, 0, ig, c);  torch.scatter(g, 0, ic, g)
    g.index_add(0, ig, c);  F.grid_sample(im, grid);  F.grid_sample(im, grid.cpu());  g.fill_(s)
    torch.quantile(g, 0.5);  torch.quantile(g, c[:1]);  g.repeat_interleave(ic);  torch.dot(g, c)
    F.scaled_dot_product_attention(w, w, wc);  torch.isin(g, c);  torch.linalg.solve(w, c)
    F.nll_loss(w, ic);  c.clone().fill_(z);  torch.tensor(g);  torch.as_tensor(g)
    torch.tensor([1.0, 2.0]) + g[:2];  torch.randn_like(g) + g;  torch.block_diag(w, wc)
    torch.cumsum(g, 0) + c;  g.unsqueeze(0).repeat(2, 1) + w[:2];  torch.full_like(c, 2.0) + g
"""
CASES = [case.strip() for line in MIXTURES.split("\n") for case in line.split(";") if case.strip()]


def outcome(case: str) -> str:
    """Return where an expression's tensor lies, or that it is refused."""
    names = {
        "torch": torch, "F": F, "c": torch.ones(3), "g": torch.ones(3, device="cuda"),
        "s": torch.tensor(2.0), "z": torch.tensor(2.0).to("cuda"), "ic": torch.tensor([0, 1, 2]),
        "ig": torch.tensor([0, 1, 2]).to("cuda"), "mc": torch.tensor([True, False, True]),
        "mg": torch.tensor([True, False, True]).to("cuda"), "w": torch.eye(3).to("cuda"),
        "wc": torch.eye(3), "im": torch.ones(1, 1, 4, 4, device="cuda"),
        "k": torch.ones(1, 1, 2, 2, device="cuda"), "kc": torch.ones(1, 1, 2, 2),
        "grid": torch.zeros(1, 2, 2, 2, device="cuda"),
    }  # fmt: skip
    try:
        found = eval(case, names)
    except RuntimeError:
        return "refused"
    return found.device.type if isinstance(found, torch.Tensor) else type(found).__name__


@pytest.fixture(scope="module")
def by_torch():
    """What torch itself says of tensors that have devices and no numbers: no GPU is asked."""
    with FakeTensorMode():
        return {case: outcome(case) for case in CASES}


@pytest.fixture
def gpu():
    with virtual_gpu.switched_on():
        yield


@pytest.fixture
def batch(gpu):
    """A network on the GPU, and images and labels that are not."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3),
        torch.nn.BatchNorm2d(3),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Dropout(),
        torch.nn.Linear(3 * 36, 10),
    )
    return network.to("cuda"), torch.randn(5, 1, 8, 8), torch.arange(5)


def test_mixtures_are_allowed_and_refused_as_torch_says(gpu, by_torch):
    assert len(CASES) > 80
    assert {"cpu", "cuda", "refused"} <= set(by_torch.values())
    assert {case: outcome(case) for case in CASES} == by_torch


@pytest.mark.parametrize(
    ("case", "said"),
    [  # where torch's tensors without numbers know less than a GPU
        ("torch.zeros(3)[torch.arange(3).cuda()]", "indices should be either on cpu or"),
        ("torch.stack([torch.tensor(1.0).cuda(), torch.tensor(1.0)])", TWO),
        ("torch.zeros(3).index_put_((torch.arange(3),), torch.ones(3).cuda())", "same device"),
        ("torch.zeros(3).cuda().index_put_((torch.arange(3),), torch.ones(3))", "same device"),
        ("torch.zeros(3).to('cuda:1')", "invalid device ordinal"),
    ],
)
def test_what_else_a_gpu_refuses(gpu, case, said):
    with pytest.raises(RuntimeError, match=said):
        eval(case)


def test_what_a_gpu_allows_with_indices_masks_and_assignments(gpu):
    x, there = torch.arange(4.0, device="cuda"), torch.arange(4.0)
    assert x[there > 1].device == GPU
    x[there > 2] = 7.0
    x[0] = torch.ones(1)[0]
    x[1:3] = torch.tensor([8.0, 9.0])  # a copy across devices
    there[:2] = x[:2]
    assert x.tolist() == [1, 8, 9, 7]
    assert there.tolist() == [1, 8, 2, 3]
    assert not there.is_cuda


def test_lengths_of_sequences_stay_on_the_cpu(gpu):
    x, lengths = torch.rand(2, 4, 3, device="cuda"), torch.tensor([4, 2])
    pack = torch.nn.utils.rnn.pack_padded_sequence
    packed = pack(x, lengths, batch_first=True)
    assert (packed.data.device, packed.batch_sizes.device.type) == (GPU, "cpu")
    out, _ = torch.nn.LSTM(3, 5).cuda()(packed)
    padded, counted = torch.nn.utils.rnn.pad_packed_sequence(out, batch_first=True)
    assert (padded.device, counted.device.type) == (GPU, "cpu")
    padded.sum().backward()
    with pytest.raises(RuntimeError, match="should be a 1D CPU int64 tensor"):
        pack(x, lengths.cuda(), batch_first=True)
    logs = torch.rand(4, 2, 3, device="cuda").log_softmax(2)
    targets = torch.tensor([[1, 2], [2, 1]], device="cuda")
    assert F.ctc_loss(logs, targets, torch.tensor([4, 4]), torch.tensor([2, 2])).device == GPU


class TestMistakes:
    """Those that a notebook makes."""

    def test_a_network_was_moved_and_its_input_was_not(self, batch):
        network, images, _ = batch
        with pytest.raises(RuntimeError, match=TWO):
            network(images)

    def test_the_input_was_moved_and_the_network_was_not(self, gpu):
        with pytest.raises(RuntimeError, match=TWO):
            torch.nn.Linear(3, 2)(torch.ones(1, 3, device="cuda"))

    def test_labels_were_left(self, batch):
        network, images, labels = batch
        with pytest.raises(RuntimeError, match=TWO):
            F.cross_entropy(network(images.cuda()), labels)

    def test_a_mask_of_the_gpu_meets_data_that_are_not_there(self, gpu):
        x = torch.randn(6)
        with pytest.raises(RuntimeError, match="indices should be either on cpu"):
            x[x.cuda() > 0]

    def test_numpy_and_matplotlib_do_not_read_a_gpu(self, gpu):
        x = torch.ones(3, device="cuda")
        figure, axes = plt.subplots()
        attempts = (x.numpy, lambda: np.asarray(x), lambda: np.mean([x]), lambda: axes.plot(x))
        for attempt in (*attempts, lambda: axes.imshow(x[None])):
            with pytest.raises(TypeError, match=r"Use Tensor.cpu\(\) to copy the tensor to host"):
                attempt()
        plt.close(figure)
        assert x.cpu().numpy().tolist() == x.numpy(force=True).tolist() == [1, 1, 1]

    def test_a_generator_is_of_the_other_device(self, gpu):
        here, there = torch.Generator(), torch.Generator("cuda")
        for generator, device in ((here, "cuda"), (there, "cpu")):
            said = f"Expected a '{device}' device type for generator but found"
            with pytest.raises(RuntimeError, match=said):
                torch.rand(3, generator=generator, device=device)
            with pytest.raises(RuntimeError, match=said):
                torch.zeros(3, device=device).normal_(generator=generator)
        assert torch.randperm(3, generator=there, device="cuda").device == GPU

    def test_what_is_no_buffer_stays_behind(self, gpu):
        class Scaled(torch.nn.Module):
            def __init__(self, registered):
                super().__init__()
                if registered:
                    self.register_buffer("scale", torch.ones(3))
                else:
                    self.scale = torch.ones(3)

            def forward(self, x):
                return self.scale * x

        x = torch.ones(3, device="cuda")
        assert Scaled(True).cuda()(x).device == GPU
        with pytest.raises(RuntimeError, match=TWO):
            Scaled(False).cuda()(x)

    def test_an_optimiser_remembers_weights_that_were_replaced(self, gpu):
        layer = torch.nn.Linear(2, 1)
        optimiser = torch.optim.SGD(layer.parameters(), 1.0)
        kept = layer.weight
        layer.cuda()  # as on a GPU, the same parameters go over
        assert kept is layer.weight
        assert kept.device == GPU
        layer(torch.ones(1, 2, device="cuda")).sum().backward()
        optimiser.step()
        with pytest.raises(RuntimeError, match="attempting to assign a gradient"):
            kept.grad = torch.zeros(1, 2)
        layer.cpu()
        assert {kept.device.type, kept.grad.device.type} == {"cpu"}


class TestTraining:
    @pytest.mark.parametrize("name", ["SGD", "Adam"])
    def test_optimisers_learn_on_the_gpu(self, batch, name):
        network, images, labels = batch
        images, labels = images.to("cuda"), labels.to("cuda")
        optimiser = getattr(torch.optim, name)(network.parameters(), lr=0.01)
        losses = []
        for _ in range(8):
            loss = F.cross_entropy(network(images), labels)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            losses.append(loss.item())
        assert min(losses[1:]) < losses[0]
        assert {p.grad.device for p in network.parameters()} == {GPU}
        state = [v for one in optimiser.state.values() for v in one.values() if v.ndim]
        assert {v.device for v in state} <= {GPU}

    def test_the_course_s_own_loop_moves_what_it_is_given(self, gpu):
        x = torch.linspace(-1, 1, 32)[:, None]
        model = torch.nn.Sequential(torch.nn.Dropout(0.1), torch.nn.Linear(1, 1))
        options = {"loss": F.mse_loss, "epochs": 2, "progress": False, "average": 0.9}
        cvlab.train.fit(model, (x, 3 * x), validation=(x, 3 * x), **options)
        assert model[1].weight.device == GPU

    def test_gradients_go_back_where_their_tensors_are(self, gpu):
        x = torch.ones(3, requires_grad=True)
        scale = torch.nn.Parameter(torch.tensor(2.0))  # a number may stay on the CPU
        (x.to("cuda") ** 2 * scale).sum().backward()
        assert x.grad.tolist() == [4, 4, 4]
        assert not x.grad.is_cuda
        torch.optim.SGD([scale, x], 0.1).step()
        (one,) = torch.autograd.grad((x.cuda()[1:] ** 2).sum().cpu(), x)
        assert one.device.type == "cpu"

    def test_functions_and_hooks_of_python_name_devices_in_the_backward_pass(self, gpu):
        seen = []

        class Double(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return 2 * x

            @staticmethod
            def backward(ctx, g):
                seen.append(g.device)
                return g * torch.full((3,), 2.0, device=g.device)

        x = torch.ones(3, device="cuda", requires_grad=True)
        x.register_hook(lambda g: seen.append(g.device) or g * torch.ones(3).to(g.device))
        Double.apply(x).sum().backward()
        assert seen == [GPU, GPU]
        assert x.grad.tolist() == [2, 2, 2]
        x.register_hook(lambda g: g * torch.ones(3))
        with pytest.raises(RuntimeError, match=TWO):
            Double.apply(x).sum().backward()

    def test_torch_func(self, gpu):
        x, layer = torch.ones(2, 3, device="cuda"), torch.nn.Linear(3, 1).cuda()
        assert vmap(lambda row: (2 * row).sum())(x).device == GPU
        assert vmap(lambda row: row.cpu().sum())(x).device.type == "cpu"
        assert grad(lambda t: (t.to("cuda") ** 2).sum())(torch.ones(3)).device.type == "cpu"
        per_row = vmap(grad(lambda p, row: functional_call(layer, p, (row,)).sum()), (None, 0))
        found = per_row(dict(layer.named_parameters()), x)
        assert {one.device for one in found.values()} == {GPU}
        with pytest.raises(RuntimeError, match=TWO):
            vmap(lambda row: row + torch.ones(3))(x)

    def test_loaders_with_workers_and_pinned_memory(self, gpu):
        data = TensorDataset(torch.arange(4.0), torch.arange(4))
        for workers in (0, 1):
            for x, _ in DataLoader(data, batch_size=2, num_workers=workers, pin_memory=True):
                assert x.is_pinned()
                assert x.to("cuda", non_blocking=True).device == GPU
        with pytest.raises(RuntimeError, match="cannot pin"):
            torch.ones(2, device="cuda").pin_memory()
        there = TensorDataset(torch.arange(4.0).cuda())
        with pytest.raises(RuntimeError, match="Cannot re-initialize CUDA in forked subprocess"):
            next(iter(DataLoader(there, num_workers=1)))


class TestBooks:
    def test_devices_are_what_cuda_calls_them(self, gpu):
        x = torch.ones(3, device="cuda")
        assert cvlab.device() == torch.device("cuda")
        assert (x.device, x.is_cuda, x.is_cpu, x.get_device()) == (GPU, True, False, 0)
        assert str(x) == "tensor([1., 1., 1.], device='cuda:0')"
        assert str((x * x.requires_grad_()).sum()) == (
            "tensor(3., device='cuda:0', grad_fn=<SumBackward0>)"
        )
        assert torch.cuda.is_available()
        assert torch.cuda.device_count() == 1
        assert float(x[0]) == x[0].item() == 1
        assert x.tolist() == [1, 1, 1]

    @pytest.mark.parametrize("how", ["context", "default"])
    def test_a_default_device(self, gpu, how):
        if how == "default":
            torch.set_default_device("cuda")
        with torch.device("cuda") if how == "context" else threading.Lock():
            made = [torch.zeros(2), torch.tensor([1.0]), torch.arange(3), torch.as_tensor([2.0])]
            made += [torch.nn.Linear(2, 2).weight, torch.zeros(2, device="cpu")]
            default = torch.get_default_device()
        torch.set_default_device(None)
        assert [one.device.type for one in made] == ["cuda"] * 5 + ["cpu"]
        assert default == GPU
        assert torch.get_default_device() == torch.zeros(1).device == torch.device("cpu")

    def test_meta_stays_meta(self, gpu):
        with torch.device("meta"):
            layer = torch.nn.Linear(2, 2)
        assert layer.weight.device.type == "meta"
        assert torch.ones(2, device="cuda").to("meta").is_meta
        assert layer.to_empty(device="cuda").weight.device == GPU

    def test_copies_views_and_files_keep_the_side(self, batch):
        network, _, _ = batch
        twin = copy.deepcopy(network)
        assert {v.device for v in twin.state_dict().values()} == {GPU}
        weight = twin[0].weight.detach()
        assert {weight[0].device, weight.T.device, weight.view(-1).device} == {GPU}
        for where, expected in ((None, GPU), ("cpu", torch.device("cpu")), ("cuda:0", GPU)):
            file = io.BytesIO()
            torch.save(network.state_dict(), file)
            file.seek(0)
            found = torch.load(file, map_location=where)
            assert {v.device for v in found.values()} == {expected}
        network.load_state_dict(torch.load(io.BytesIO(file.getvalue()), map_location="cpu"))
        assert network[0].weight.device == GPU

    def test_memory_that_is_used_again_has_no_side(self, gpu):
        there = [torch.ones(1000, device="cuda") for _ in range(100)]
        addresses = {one.untyped_storage()._cdata for one in there}
        del there
        here = [torch.ones(1000) for _ in range(1000)]
        again = [one for one in here if one.untyped_storage()._cdata in addresses]
        assert again, "no address was used again: this shows nothing"
        assert not any(one.is_cuda for one in here)

    def test_numbers_of_the_gpu_are_its_own_and_repeat(self, gpu):
        def draw(device):
            torch.manual_seed(3)
            return torch.rand(4, device=device).tolist()

        assert draw("cuda") == draw("cuda") != draw("cpu")
        torch.manual_seed(3)
        torch.rand(9, device="cuda")
        assert torch.rand(4).tolist() == draw("cpu"), "the CPU's numbers go on as they were"
        with torch.random.fork_rng([0]):
            torch.cuda.manual_seed_all(5)
            inside = torch.rand(2, device="cuda")
        assert torch.rand(2, device="cuda").tolist() != inside.tolist()

    def test_threads_keep_the_rules(self, gpu):
        said = []

        def work():
            try:
                torch.ones(2, device="cuda") + torch.ones(2)
            except RuntimeError as error:
                said.append(str(error))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert said
        assert said[0].startswith(TWO)

    def test_nothing_is_left_when_it_is_off(self):
        before = torch.Generator, threading.Thread.start, torch.cuda.is_available
        with virtual_gpu.switched_on():
            x = torch.ones(2, device="cuda")
            with pytest.raises(RuntimeError, match="There is a virtual GPU already"):
                virtual_gpu.switched_on().__enter__()
        now = torch.Generator, threading.Thread.start, torch.cuda.is_available
        assert now == before
        assert x.device.type == "cpu"
        assert (x + torch.ones(2)).numpy().tolist() == [2, 2]


def on_both(run):
    """Return what a function of a mover gives on the CPU and on the GPU, as lists."""

    def values(device):
        torch.manual_seed(0)
        found = run(lambda thing: thing.to(device))
        found = list(found.values()) if isinstance(found, dict) else found
        found = found if isinstance(found, (list, tuple)) else [found]
        assert {one.device.type for one in found} == {device}
        return [one.detach().cpu() for one in found]

    return values("cpu"), values("cuda")


IMAGE = torch.linspace(0, 1, 2 * 3 * 64 * 64).reshape(2, 3, 64, 64)
BOXES = torch.tensor([[4.0, 4, 30, 30], [5, 5, 31, 32], [40, 40, 60, 62]])
PACKAGE = {
    "attention": lambda to: to(nets.TransformerBlock(8, 2))(
        to(torch.ones(1, 5, 8)), mask=nets.causal_mask(5, to(IMAGE).device)
    ),
    "depth": lambda to: to(nets.DepthNet(2, scales=2, width=4))(to(IMAGE)),
    "pyramid": lambda to: to(nets.fpn(nets.backbone(4, (4, 8)).channels, 4))(
        to(nets.backbone(4, (4, 8)))(to(IMAGE))
    ),
    "roi_align": lambda to: nets.roi_align(to(IMAGE), [to(BOXES), to(BOXES)], size=2, stride=1),
    "batch_iou": lambda to: nets.batch_iou(to(BOXES)[None], to(BOXES)[None]),
    "embedder": lambda to: to(nets.embedder(8, width=4))(to(IMAGE)),
    "correlation": lambda to: nets.correlation(to(IMAGE), to(IMAGE), [0], range(3)),
    "unet": lambda to: to(nets.UNet(3, width=4))(to(IMAGE)),
    "appearance_loss": lambda to: nets.appearance_loss(to(IMAGE), to(IMAGE).flip(3)),
    "smoothness_loss": lambda to: nets.smoothness_loss(to(IMAGE)[:, :1], to(IMAGE)),
    "small_resnet": lambda to: to(nets.small_resnet(8))(to(IMAGE)),
    "lenet5": lambda to: to(nets.build("lenet5"))(to(torch.ones(2, 1, 28, 28))),
    "nms": lambda to: boxes.nms(to(BOXES), to(torch.tensor([0.5, 0.9, 0.7]))),
    "batched_nms": lambda to: boxes.batched_nms(
        to(BOXES), to(torch.tensor([0.5, 0.9, 0.7])), to(torch.tensor([0, 1, 0]))
    ),
    "iou": lambda to: (boxes.iou(to(BOXES), to(BOXES)), boxes.giou(to(BOXES), to(BOXES))),
    "encode": lambda to: boxes.decode(boxes.encode(to(BOXES), to(BOXES) + 1), to(BOXES) + 1),
    "clip": lambda to: boxes.clip(to(BOXES), 50, 50),
    "match": lambda to: boxes.match(to(BOXES), to(BOXES)[:2]),
    "crop_resize": lambda to: boxes.crop_resize(to(IMAGE)[0], to(BOXES), 5),
    "warp_disparity": lambda to: geometry.warp_disparity(
        to(IMAGE), to(torch.ones(2, 64, 64)), "left"
    ),
    "sample_bilinear": lambda to: geometry.sample_bilinear(
        to(IMAGE)[0], to(torch.rand(4, 5)), to(torch.rand(4, 5))
    ),
    "project": lambda to: geometry.project(to(torch.rand(5, 3) + 1), to(torch.eye(3))),
    "unproject": lambda to: geometry.unproject(
        to(torch.rand(5, 2)), to(torch.rand(5) + 1), to(torch.eye(3))
    ),
}


@pytest.mark.parametrize("name", PACKAGE)
def test_the_package_s_functions_run_where_their_tensors_are(gpu, name):
    here, there = on_both(PACKAGE[name])
    for a, b in zip(here, there, strict=True):
        assert torch.allclose(a, b, atol=1e-6)

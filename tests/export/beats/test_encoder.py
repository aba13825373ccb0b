"""BEATs against reference results, and against its formulas as the paper and the published code write them."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from published_beats import full_reference, reference, sounds, write_published_beats
from tiny_beats import TINY, tiny_weights, write_tiny_beats
from torch import Tensor

from asd_edge.calibration.contract.model_info import ModelInfo
from asd_edge.calibration.errors import InputError, ModelError
from asd_edge.export.beats.embedder import OPSETS
from asd_edge.export.beats.encoder import Beats, TimeInterpolation, load_beats, over_mel_blocks, position_bias
from asd_edge.export.beats.pooling import MeanPooling
from asd_edge.export.layers.slaney import SlaneyLogMel
from asd_edge.export.onnx_file import trace

SAMPLES = 16_000
"""One second: 98 frames, 6 time blocks of 8 patches."""


def bucket(offset: int, buckets: int, max_distance: int) -> int:
    """The bucket of a key that many patches after the query."""
    side, distance = buckets // 2, abs(offset)
    exact = side // 2
    if distance >= exact:
        grown = exact + int(math.log(distance / exact) / math.log(max_distance / exact) * (side - exact))
        distance = min(grown, side - 1)
    return distance + (side if offset > 0 else 0)


def unfolded(cfg: dict[str, Any], weights: dict[str, Tensor], fbank: Tensor, layers: int) -> Tensor:
    """The encoder as its formulas are written, one clip and one head at a time, in double precision.

    From ``(128, frames)`` to ``(patches, dim)``.
    """
    w = {name: weight.double() for name, weight in weights.items()}

    def linear(name: str, x: Tensor) -> Tensor:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def layer_norm(name: str, x: Tensor) -> Tensor:
        centred = x - x.mean(dim=1, keepdim=True)
        normed = centred / (centred.square().mean(dim=1, keepdim=True) + 1e-5).sqrt()
        return normed * w[f"{name}.weight"] + w[f"{name}.bias"]

    def gelu(x: Tensor) -> Tensor:
        return 0.5 * x * (1.0 + torch.erf(x / math.sqrt(2.0)))

    rows = []
    for t in range(fbank.shape[1] // 16):
        for f in range(8):
            patch = fbank[16 * f : 16 * f + 16, 16 * t : 16 * t + 16].double().T  # (frames, mel bins)
            rows.append((w["patch_embedding.weight"][:, 0] * patch).sum(dim=(1, 2)))
    x = torch.stack(rows) + w.get("patch_embedding.bias", torch.zeros(()))
    x = layer_norm("layer_norm", x)
    if "post_extract_proj.weight" in w:
        x = linear("post_extract_proj", x)

    direction, kernel, groups = w["encoder.pos_conv.0.weight_v"], cfg["conv_pos"], cfg["conv_pos_groups"]
    convolution = torch.empty_like(direction)
    for tap in range(kernel):
        convolution[:, :, tap] = w["encoder.pos_conv.0.weight_g"][0, 0, tap] * direction[:, :, tap]
        convolution[:, :, tap] /= direction[:, :, tap].norm()
    near = torch.nn.functional.conv1d(
        x.T[None], convolution, w["encoder.pos_conv.0.bias"], padding=kernel // 2, groups=groups
    )[0].T
    near = near[:-1] if kernel % 2 == 0 else near
    x = layer_norm("encoder.layer_norm", x + gelu(near))

    patches, width = x.shape
    heads = cfg["encoder_attention_heads"]
    dim = width // heads
    alpha = (2 * cfg["encoder_layers"]) ** 0.25 if cfg["deep_norm"] else 1.0
    for i in range(layers):
        name = f"encoder.layers.{i}"
        attention = f"{name}.self_attn"
        q, k, v = (linear(f"{attention}.{part}", x) for part in ("q_proj", "k_proj", "v_proj"))
        mixed = []
        for head in range(heads):
            part = slice(head * dim, head * dim + dim)
            scores = q[:, part] @ k[:, part].T / math.sqrt(dim)
            if cfg["relative_position_embedding"]:
                table = w[f"{attention}.relative_attention_bias.weight"][:, head]
                bias = torch.stack(
                    [
                        torch.stack(
                            [table[bucket(key - query, len(table), cfg["max_distance"])] for key in range(patches)]
                        )
                        for query in range(patches)
                    ]
                )
                if cfg["gru_rel_pos"]:
                    eight = linear(f"{attention}.grep_linear", q[:, part])
                    a, b = eight[:, :4].sum(dim=1).sigmoid(), eight[:, 4:].sum(dim=1).sigmoid()
                    gate = a * (b * w[f"{attention}.grep_a"][0, head, 0, 0] - 1.0) + 2.0
                    bias = gate[:, None] * bias
                scores = scores + bias
            mixed.append(scores.softmax(dim=1) @ v[:, part])
        y = linear(f"{attention}.out_proj", torch.cat(mixed, dim=1))
        x = layer_norm(f"{name}.self_attn_layer_norm", alpha * x + y)
        y = linear(f"{name}.fc2", gelu(linear(f"{name}.fc1", x)))
        x = layer_norm(f"{name}.final_layer_norm", alpha * x + y)
    return x


@pytest.fixture(scope="module")
def clips() -> Tensor:
    generator = torch.Generator().manual_seed(2)
    loudness = torch.tensor([[0.3], [0.01], [0.1]])
    rhythm = 1.0 + torch.sin(torch.arange(SAMPLES) / 700.0)
    return loudness * rhythm * torch.randn((3, SAMPLES), generator=generator)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a checkpoint of a few layers, with entries of its cfg changed: ``write(deep_norm=False)``."""

    return partial(write_tiny_beats, tmp_path / "tiny.pt")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Beats:
    """The small encoder that the reference results belong to."""
    return load_beats(write_published_beats(tmp_path_factory.mktemp("checkpoint") / "small.pt", "small"))


@pytest.fixture(scope="module")
def base_features(tmp_path_factory: pytest.TempPathFactory) -> NDArray[np.float32]:
    """The patch features of the last reference sound, the knocks, from an encoder of the published size.

    It takes a third of the time of all three.
    """
    path = write_published_beats(tmp_path_factory.mktemp("checkpoint") / "base.pt", "base")
    module = load_beats(path)
    path.unlink()  # 360 MB
    with torch.no_grad():
        features: NDArray[np.float32] = module(torch.from_numpy(sounds()[2:])).numpy()
    return features


def small_features(small: Beats) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    waveform = torch.from_numpy(sounds())
    with torch.no_grad():
        fbank, features = small.fbank(waveform).numpy().transpose(0, 2, 1), small(waveform).numpy()
    assert (fbank.shape, features.shape) == ((3, 998, 128), (3, 496, 96))
    return fbank, features


def test_the_small_encoder_is_the_reference(small: Beats) -> None:
    fbank, features = small_features(small)
    np.testing.assert_allclose(fbank[:, ::19], reference()["small_fbank"], rtol=0, atol=5e-4)
    np.testing.assert_allclose(features[:, ::7], reference()["small_patches"], rtol=0, atol=2e-4)


def test_the_small_encoder_is_the_reference_in_every_number(small: Beats) -> None:
    expected = full_reference("beats_small.npz")
    np.testing.assert_array_equal(sounds(), expected["waveform"])
    fbank, features = small_features(small)
    np.testing.assert_allclose(fbank, expected["fbank"], rtol=0, atol=5e-4)
    np.testing.assert_allclose(features, expected["patch_features"], rtol=0, atol=2e-4)


def test_the_base_encoder_is_the_reference(base_features: NDArray[np.float32]) -> None:
    expected = reference()
    assert base_features.shape == (1, 496, 768)
    np.testing.assert_allclose(base_features[:, ::31, ::16], expected["base_patches"][2:], rtol=0, atol=2e-4)
    np.testing.assert_allclose(base_features.mean(axis=1), expected["base_mean"][2:], rtol=0, atol=2e-4)


def test_a_fine_tuned_checkpoint_is_the_same_encoder(small: Beats, tmp_path: Path) -> None:
    tuned = load_beats(write_published_beats(tmp_path / "tuned.pt", "small", finetuned=True))
    assert not [name for name in tuned.state_dict() if "predictor" in name]
    assert small.state_dict().keys() == tuned.state_dict().keys()
    for name, weight in small.state_dict().items():
        assert torch.equal(weight, tuned.state_dict()[name]), name


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"deep_norm": False},
        {"gru_rel_pos": False},
        {"relative_position_embedding": False},
        {"relative_position_embedding": False, "gru_rel_pos": False},
        {"embed_dim": 24},
        {"conv_bias": True},
        {"conv_pos": 15},
        {"encoder_attention_heads": 2, "encoder_layers": 1},
        {"num_buckets": 8, "max_distance": 100, "encoder_layers": 2},
    ],
    ids=str,
)
def test_what_was_folded_is_what_the_formulas_say(
    write: Callable[..., Path], clips: Tensor, changes: dict[str, Any]
) -> None:
    cfg = TINY | changes
    module = load_beats(write(**changes), samples=SAMPLES)
    with torch.no_grad():
        found, fbank = module(clips), module.fbank(clips)
    assert found.shape == (3, 48, 24)
    assert (module.patches, module.dimensions) == (48, 24)
    for clip in range(2):
        expected = unfolded(cfg, tiny_weights(cfg), fbank[clip], cfg["encoder_layers"])
        np.testing.assert_allclose(found[clip].numpy(), expected.numpy(), rtol=0, atol=2e-5)


@pytest.mark.parametrize("layers", [1, 2])
def test_fewer_layers_are_the_first_of_all(write: Callable[..., Path], clips: Tensor, layers: int) -> None:
    path = write()
    full, cut = load_beats(path, samples=SAMPLES), load_beats(path, layers, SAMPLES)
    full.layers = full.layers[:layers]
    assert len(cut.layers) == layers
    with torch.no_grad():
        found = cut(clips)
        assert torch.equal(found, full(clips))
        # The residual path's scale is still that of the layers that were trained.
        expected = unfolded(TINY, tiny_weights(TINY), cut.fbank(clips)[0], layers)
    np.testing.assert_allclose(found[0].numpy(), expected.numpy(), rtol=0, atol=2e-5)


@pytest.mark.parametrize("layers", [0, -1, 4])
def test_more_layers_than_there_are_are_refused(write: Callable[..., Path], layers: int) -> None:
    with pytest.raises(ModelError, match="does not have that many layers") as raised:
        load_beats(write(), layers)
    assert (raised.value.got, raised.value.valid) == (f"{layers} layers", "1 to 3")
    assert "--layers 3" in raised.value.next_step


def test_buckets_of_relative_positions() -> None:
    """320 buckets up to 800: 80 for single distances, 80 spaced logarithmically, and as many for keys that follow."""
    table = torch.arange(320.0)[:, None]
    (bias,) = position_bias(table, 1000, 800)
    row = bias[900]  # the query is patch 900
    for key, expected in {900: 0, 899: 1, 821: 79, 820: 80, 901: 161, 979: 239, 980: 240, 100: 159, 0: 159}.items():
        assert row[key] == expected, key
    # 80 + 80 log(160 / 80) / log(800 / 80) = 104.08, and 103.99 at 159.6
    assert (row[740], row[741], bias[0, 160], bias[0, 159]) == (104, 103, 264, 263)
    assert bias[0].max() == 319
    assert position_bias(torch.zeros(32, 5), 7, 40).shape == (5, 7, 7)


def test_clips_of_a_batch_do_not_touch_each_other(write: Callable[..., Path], clips: Tensor) -> None:
    module = load_beats(write(), samples=SAMPLES)
    with torch.no_grad():
        together = module(clips)
        for clip, found in zip(clips, together, strict=True):
            np.testing.assert_allclose(found.numpy(), module(clip[None])[0].numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("samples", "patches"), [(160_000, 496), (32_000, 96), (2800, 8), (5359, 8), (5360, 16)])
def test_a_patch_is_sixteen_frames_and_the_rest_is_left_out(
    write: Callable[..., Path], samples: int, patches: int
) -> None:
    # Frame n ends at sample 400 + 160 (n - 1).
    module = load_beats(write(), samples=samples)
    assert module.patches == patches
    assert module(torch.zeros(1, samples)).shape == (1, patches, 24)


def test_another_window_is_refused(write: Callable[..., Path], clips: Tensor) -> None:
    with pytest.raises(InputError, match="shorter than a patch") as raised:
        load_beats(write(), samples=2799)
    assert raised.value.got == "2799 samples"
    assert "2800" in raised.value.valid
    module = load_beats(write(), samples=SAMPLES)
    with pytest.raises(InputError, match="not as long") as raised:
        module(clips[:, :-1])
    assert (raised.value.got, raised.value.valid) == ("15999 samples", "16000 samples")


def test_entries_of_cfg_that_training_did_not_write_are_the_published_defaults(tmp_path: Path, clips: Tensor) -> None:
    """The pre-trained checkpoints say nothing of fine-tuning; where relative positions are not named there are none."""
    cfg = TINY | {"relative_position_embedding": False, "gru_rel_pos": False, "deep_norm": False}
    path = tmp_path / "tiny.pt"
    named = {key: cfg[key] for key in cfg if cfg[key] is not False and key not in ("activation_fn", "dropout")}
    torch.save({"cfg": named, "model": tiny_weights(cfg)}, path)
    module = load_beats(path, samples=SAMPLES)
    with torch.no_grad():
        found, fbank = module(clips[:1]), module.fbank(clips[:1])
    expected = unfolded(cfg, tiny_weights(cfg), fbank[0], 3)
    np.testing.assert_allclose(found[0].numpy(), expected.numpy(), rtol=0, atol=2e-5)


def test_half_precision_is_read(tmp_path: Path) -> None:
    path = tmp_path / "half.pt"
    torch.save({"cfg": TINY, "model": {name: weight.half() for name, weight in tiny_weights(TINY).items()}}, path)
    module = load_beats(path, samples=SAMPLES)
    assert module(torch.zeros(1, SAMPLES)).dtype == torch.float32


def damaged(name: str, change: Callable[[Tensor], object]) -> dict[str, object]:
    weights = tiny_weights(TINY)
    return weights | {name: change(weights[name])}


def test_every_weight_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "tiny.pt"
    for name in tiny_weights(TINY):
        weights = tiny_weights(TINY)
        del weights[name]
        torch.save({"cfg": TINY, "model": weights}, path)
        with pytest.raises(ModelError, match="lacks a weight") as raised:
            load_beats(path)
        assert raised.value.what.endswith(f": {name}.")
        assert raised.value.got == "nothing"
        assert str(tuple(tiny_weights(TINY)[name].shape)) in raised.value.valid
        assert raised.value.next_step


@pytest.mark.parametrize(
    ("model", "what", "got"),
    [
        (damaged("encoder.layers.1.fc1.bias", lambda w: w[:-1]), "another shape: encoder.layers.1.fc1.bias", "(39,)"),
        (damaged("layer_norm.weight", lambda w: w[None]), "another shape: layer_norm.weight", "(1, 12)"),
        (damaged("layer_norm.weight", lambda w: w.long()), "another shape: layer_norm.weight", "int64"),
        (damaged("layer_norm.weight", lambda _: "none"), "lacks a weight: layer_norm.weight", "a str"),
        (damaged("layer_norm.bias", lambda w: w / 0.0), "damaged: layer_norm.bias", "infinite"),
        (damaged("encoder.layers.2.fc2.weight", lambda w: w * math.nan), "damaged: encoder.layers.2.fc2", "not num"),
        (tiny_weights(TINY) | {"extra": torch.zeros(1)}, "does not belong there: extra", "weights"),
        (tiny_weights(TINY) | {"predictor.bias": torch.zeros(9)}, "does not belong there: predictor.bias", "weights"),
        (
            damaged("encoder.layers.1.self_attn.relative_attention_bias.weight", lambda w: w + 1.0),
            "more than one table of relative positions: encoder.layers.1",
            "differs",
        ),
        # A cfg of more layers than there are weights.
        (tiny_weights(TINY | {"encoder_layers": 2}), "lacks a weight: encoder.layers.2.self_attn.k_proj", "nothing"),
    ],
)
def test_the_first_weight_that_does_not_fit_is_named(
    tmp_path: Path, model: dict[str, object], what: str, got: str
) -> None:
    path = tmp_path / "tiny.pt"
    torch.save({"cfg": TINY, "model": model}, path)
    with pytest.raises(ModelError) as raised:
        load_beats(path)
    assert what in raised.value.what
    assert "tiny.pt" in raised.value.what
    assert got in raised.value.got
    assert raised.value.valid
    assert raised.value.next_step


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("encoder_layers", 0),
        ("encoder_layers", 3.0),
        ("encoder_layers", True),
        ("encoder_embed_dim", "24"),
        ("encoder_attention_heads", 5),
        ("conv_pos_groups", 7),
        ("deep_norm", "yes"),
        ("deep_norm", torch.ones(2)),
        ("activation_fn", "relu"),
        ("activation_fn", None),
        ("layer_norm_first", True),
        ("input_patch_size", 129),
        ("num_buckets", 30),
        ("max_distance", 8),
    ],
)
def test_a_cfg_that_is_no_beats_is_refused(tmp_path: Path, entry: str, value: object) -> None:
    path = tmp_path / "tiny.pt"
    torch.save({"cfg": TINY | {entry: value}, "model": tiny_weights(TINY)}, path)
    with pytest.raises(ModelError, match="cfg does not describe a BEATs encoder") as raised:
        load_beats(path)
    assert raised.value.got.startswith(raised.value.what.rpartition(": ")[2].rstrip("."))
    assert raised.value.valid
    assert raised.value.next_step


def test_the_side_of_a_patch_has_no_default(tmp_path: Path) -> None:
    path = tmp_path / "tiny.pt"
    torch.save({"cfg": {"encoder_layers": 3}, "model": {}}, path)
    with pytest.raises(ModelError, match="input_patch_size"):
        load_beats(path)


class Runs:
    """A pickle that would write a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


def test_what_is_not_a_checkpoint_is_refused(tmp_path: Path, write: Callable[..., Path]) -> None:
    ran = tmp_path / "ran"
    whole = write().read_bytes()
    path = tmp_path / "model.pt"
    contents: dict[str, object] = {
        "empty": b"",
        "text": b"<!DOCTYPE html><html>moved</html>\n",
        "cut off": whole[: len(whole) // 2],
        "damaged": whole[:200] + bytes(200) + whole[400:],
        "code": {"cfg": Runs(ran), "model": {}},
        "a tensor": torch.zeros(3),
        "a list": [1, 2],
        "weights alone": tiny_weights(TINY),
        "no cfg": {"model": tiny_weights(TINY)},
        "no model": {"cfg": TINY},
        "cfg of another kind": {"cfg": [1], "model": tiny_weights(TINY)},
    }
    for name, content in contents.items():
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            torch.save(content, path)
        with pytest.raises(ModelError, match=r"model\.pt is not a BEATs checkpoint") as raised:
            load_beats(path)
        assert raised.value.got, name
        assert "\n" not in raised.value.got
        assert raised.value.valid
        assert raised.value.next_step
    assert not ran.exists()


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no file missing\.pt") as raised:
        load_beats(tmp_path / "missing.pt")
    assert "does not exist" in raised.value.got
    with pytest.raises(ModelError, match="no file") as raised:
        load_beats(tmp_path)
    assert "a folder" in raised.value.got


class Mean(torch.nn.Module):
    def __init__(self, encoder: torch.nn.Module) -> None:
        super().__init__()
        self.encoder, self.pooling = encoder, MeanPooling(24)

    def forward(self, waveform: Tensor) -> Tensor:
        return self.pooling(self.encoder(waveform))  # type: ignore[no-any-return]


def test_the_exported_graph_takes_any_batch(write: Callable[..., Path], clips: Tensor) -> None:
    module = Mean(load_beats(write(), layers=2, samples=SAMPLES)).eval()
    model = trace(module, ModelInfo("beats-mean", SAMPLES, 24, opset=OPSETS["cpu"]))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for batch in (1, 2, 3):
        with torch.no_grad():
            expected = module(clips[:batch]).numpy()
        (found,) = session.run(["embedding"], {"waveform": clips[:batch].numpy()})
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    # Nothing is left of the sum over fours, of weight norm or of the buckets.
    operators = {node.op_type for node in model.graph.node}
    assert not operators & {"Gather", "GatherElements", "Where", "Greater", "ReduceL2", "ReduceSum"}


@pytest.mark.parametrize(("samples", "blocks", "frames"), [(160_000, 62, 313), (16_000, 6, 32), (2_800, 1, 6)])
def test_a_frame_takes_the_value_at_its_centre(tmp_path: Path, samples: int, blocks: int, frames: int) -> None:
    """A patch is 16 frames of 400 samples, every 160: the first is centred at sample 1400, and 2560 lie between two."""
    encoder = load_beats(write_tiny_beats(tmp_path / "tiny.pt"), samples=samples)
    assert (encoder.time_blocks, SlaneyLogMel().frames(samples)) == (blocks, frames)
    features = np.random.default_rng(0).standard_normal((2, 3, blocks)).astype(np.float32)
    found = TimeInterpolation(encoder, frames)(torch.from_numpy(features)).numpy()
    centres = 1400.0 + 2560.0 * np.arange(blocks)
    expected = [[np.interp(512.0 * np.arange(frames), centres, row) for row in window] for window in features]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_mean_is_over_the_mel_blocks_of_a_time_block() -> None:
    """Patches go through all mel blocks of a time block first: p = 8 t + f."""
    patches = np.random.default_rng(0).standard_normal((2, 24, 5)).astype(np.float32)
    found = over_mel_blocks(torch.from_numpy(patches), 8).numpy()
    assert found.shape == (2, 3, 5)
    for t in range(3):
        np.testing.assert_allclose(found[:, t], np.mean([patches[:, 8 * t + f] for f in range(8)], axis=0), atol=1e-6)

"""Pooling against values worked by hand."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from asd_edge.calibration.errors import InputError, ModelError
from asd_edge.export.beats.pooling import (
    MEL_BLOCKS,
    POOLINGS,
    AttentiveStatisticsPooling,
    DeviationGeneralisedMeanPooling,
    GeneralisedMeanPooling,
    MeanPooling,
    PoolingOverTime,
    RelativeDeviationPooling,
    StatisticsPooling,
    build_pooling,
    load_head,
)

FLOOR = 1e-3  # the root of a variance of 1e-6
# Three patches of two features.
X = torch.tensor([[[1.0, 4.0], [2.0, 4.0], [6.0, 4.0]]])


def attentive(width: int, attention: list[list[float]], vector: list[float]) -> AttentiveStatisticsPooling:
    module = AttentiveStatisticsPooling(width, len(vector))
    module.load_state_dict({"W_a": torch.tensor(attention), "v_a": torch.tensor(vector)})
    return module


def features(seed: int, batch: int = 2, patches: int = 24, width: int = 16) -> Tensor:
    return torch.randn((batch, patches, width), generator=torch.Generator().manual_seed(seed))


def test_mean() -> None:
    np.testing.assert_allclose(MeanPooling(2)(X).numpy(), [[3.0, 4.0]])


def test_mean_and_deviation() -> None:
    # Around 3: (4 + 1 + 9) / 3; and around 4 nothing, which is the floor.
    np.testing.assert_allclose(StatisticsPooling(2)(X).numpy(), [[3.0, 4.0, math.sqrt(14 / 3), FLOOR]], rtol=1e-6)


def test_attention_weighs_mean_and_deviation() -> None:
    # tanh(x_1 - 2) is -0.76159, 0, 0.99933; times 2, e to that is 0.21801, 1, 7.37914 of 8.59715.
    module = attentive(2, [[1.0, -0.5]], [2.0])
    pooled, weights = module(X)
    alpha = [math.exp(2.0 * math.tanh(x - 2.0)) for x in (1.0, 2.0, 6.0)]
    alpha = [a / sum(alpha) for a in alpha]
    np.testing.assert_allclose(alpha, [0.02536, 0.11632, 0.85832], atol=1e-5)
    np.testing.assert_allclose(weights.detach().numpy(), [alpha], rtol=1e-5)
    mean = alpha[0] + 2.0 * alpha[1] + 6.0 * alpha[2]
    variance = sum(a * (x - mean) ** 2 for a, x in zip(alpha, (1.0, 2.0, 6.0), strict=True))
    np.testing.assert_allclose(pooled.detach().numpy(), [[mean, 4.0, math.sqrt(variance), FLOOR]], rtol=1e-5)


def test_attention_to_nothing_is_mean_and_deviation() -> None:
    x = features(1)
    pooled, weights = attentive(16, [[0.0] * 16] * 3, [1.0, 2.0, 3.0])(x)
    np.testing.assert_allclose(weights.detach().numpy(), 1 / 24, rtol=1e-6)
    np.testing.assert_allclose(pooled.detach().numpy(), StatisticsPooling(16)(x).numpy(), atol=1e-6)


@pytest.mark.parametrize("constant", [0.0, 1.0, -1e4])
def test_attention_learns_from_constant_features(constant: float) -> None:
    """Digital silence in a batch must not turn the weights into something that is not a number."""
    module = AttentiveStatisticsPooling(4, 128)
    x = torch.full((2, 8, 4), constant, requires_grad=True)
    pooled, _ = module(x)
    loss = pooled[:, 4:].log().sum() + pooled.sum()
    loss.backward()
    assert loss.isfinite()
    np.testing.assert_allclose(pooled[:, 4:].detach().numpy(), FLOOR, rtol=0.5 if constant == -1e4 else 1e-6)
    for gradient in (x.grad, module.W_a.grad, module.v_a.grad):
        assert gradient is not None
        assert gradient.isfinite().all()


def test_attention_learns() -> None:
    module = AttentiveStatisticsPooling(16, 128)
    assert module.W_a.shape == (128, 16)
    pooled, _ = module(features(2))
    pooled.square().sum().backward()
    for weight in module.parameters():
        assert weight.grad is not None
        assert weight.grad.abs().max() > 0.0


def test_relative_deviation_in_one_mel_block() -> None:
    # Mean (3, 4): deviations 2, 1, 3 are 2/3, 1/3 and 1 of the largest; gamma 2: 25/9, 16/9, 36/9 of 77/9.
    module = RelativeDeviationPooling(2, gamma=2.0, mel_blocks=1)
    np.testing.assert_allclose(module.weights(X).numpy(), [[25 / 77, 16 / 77, 36 / 77]], rtol=1e-6)
    expected = (25 + 2 * 16 + 6 * 36) / 77
    np.testing.assert_allclose(module(X).numpy(), [[expected, 4.0]], rtol=1e-6)


def test_relative_deviation_takes_mel_blocks_one_by_one() -> None:
    """However far mel blocks are from each other, only what changes in time weighs."""
    times = torch.tensor([1.0, 2.0, 6.0])
    x = torch.stack([times, torch.tensor([50.0, 50.0, 50.0])], dim=1).reshape(1, 6, 1)  # p = 2 t + f
    module = RelativeDeviationPooling(1, gamma=2.0, mel_blocks=2)
    weights = module.weights(x).numpy().reshape(3, 2)
    np.testing.assert_allclose(weights[:, 0], [25 / 154, 16 / 154, 36 / 154], rtol=1e-6)
    np.testing.assert_allclose(weights[:, 1], [1 / 6] * 3, rtol=1e-6)
    np.testing.assert_allclose(module(x).numpy(), [[(273 / 77 + 50.0) / 2]], rtol=1e-6)


def test_relative_deviation_of_no_interest_is_the_mean() -> None:
    x = features(3)
    found = RelativeDeviationPooling(16, gamma=0.0)(x)
    np.testing.assert_allclose(found.numpy(), x.mean(dim=1).numpy(), atol=1e-6)


@pytest.mark.parametrize("constant", [0.0, 0.3, 1e4])
def test_relative_deviation_of_silence(constant: float) -> None:
    found = RelativeDeviationPooling(3)(torch.full((1, 16, 3), constant))
    np.testing.assert_allclose(found.numpy(), constant, rtol=1e-5)


def test_generalised_mean() -> None:
    x = torch.tensor([[[1.0, -5.0, -1.0], [2.0, 3.0, -2.0], [2.0, 4.0, -3.0]]])
    # Below zero counts as nothing: sqrt(9 / 3), sqrt((9 + 16) / 3).
    expected = [[math.sqrt(3.0), math.sqrt(25 / 3), 0.0]]
    np.testing.assert_allclose(GeneralisedMeanPooling(3, power=2.0)(x).numpy(), expected, rtol=1e-6, atol=2e-6)
    np.testing.assert_allclose(GeneralisedMeanPooling(3, power=1.0)(x).numpy(), [[5 / 3, 7 / 3, 0]], atol=2e-6)
    np.testing.assert_allclose(GeneralisedMeanPooling(3, power=500.0)(x).numpy(), [[2, 4, 0]], rtol=0.01, atol=2e-6)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e6])
def test_no_power_leaves_single_precision(scale: float) -> None:
    x = scale * features(4).abs()
    found = GeneralisedMeanPooling(16)(x).double().numpy()
    expected = (x.double() ** 10).mean(dim=1) ** 0.1
    np.testing.assert_allclose(found, expected.numpy(), rtol=0.02 if scale == 1e-4 else 1e-5)


def test_generalised_mean_under_the_weights_of_deviation() -> None:
    module = DeviationGeneralisedMeanPooling(2, gamma=2.0, power=3.0, mel_blocks=1)
    expected = ((25 + 16 * 8 + 36 * 216) / 77) ** (1 / 3)
    np.testing.assert_allclose(module(X).numpy(), [[expected, 4.0]], rtol=1e-6)


# 2 patches of one feature in a time, as p = 2 t + f: times (1, 5), (2, 5), (6, 5).
TWO_BLOCKS = torch.tensor([1.0, 5.0, 2.0, 5.0, 6.0, 5.0]).reshape(1, 6, 1)


def test_concatenated_mel_blocks_are_one_vector_of_each_time() -> None:
    """The vectors are those of X with 5 for 4, so that the deviations and weights are those of one mel block."""
    module = PoolingOverTime(RelativeDeviationPooling(2, gamma=2.0, mel_blocks=1), concatenated=True, mel_blocks=2)
    assert module.dimensions == 2
    np.testing.assert_allclose(module(TWO_BLOCKS).numpy(), [[(25 + 2 * 16 + 6 * 36) / 77, 5.0]], rtol=1e-6)
    largest = PoolingOverTime(GeneralisedMeanPooling(2, power=200.0), concatenated=True, mel_blocks=2)
    np.testing.assert_allclose(largest(TWO_BLOCKS).numpy(), [[6.0, 5.0]], rtol=0.01)


def test_averaged_mel_blocks_are_the_mean_of_each_time() -> None:
    """(1 + 5) / 2, (2 + 5) / 2 and (6 + 5) / 2 have the mean 4: deviations 1, 1/2 and 3/2."""
    module = PoolingOverTime(RelativeDeviationPooling(1, gamma=2.0, mel_blocks=1), concatenated=False, mel_blocks=2)
    assert module.dimensions == 1
    expected = (25 * 3.0 + 16 * 3.5 + 36 * 5.5) / 77
    np.testing.assert_allclose(module(TWO_BLOCKS).numpy(), [[expected]], rtol=1e-6)


def test_mel_blocks_by_name_are_those_of_beats() -> None:
    """Eight to a time, with gamma 16 and p 3: worked again from the paper's formulas in double precision."""
    x = features(8)  # (2, 24, 16): 3 times
    blocks = x.double().numpy().reshape(2, 3, 8, 16)
    for mode, vectors in (("concatenate", blocks.reshape(2, 3, 128)), ("average", blocks.mean(axis=2))):
        deviation = np.linalg.norm(vectors - vectors.mean(axis=1, keepdims=True), axis=2)
        weights = (1.0 + deviation / deviation.max(axis=1, keepdims=True)) ** 16
        weights /= weights.sum(axis=1, keepdims=True)
        expected = (weights[:, :, None] * np.maximum(vectors, 0.0) ** 3).sum(axis=1) ** (1 / 3)
        found = build_pooling("rdp-gem", 16, mel_block_mode=mode)
        assert found.dimensions == vectors.shape[2]
        np.testing.assert_allclose(found(x).numpy(), expected, rtol=1e-4, atol=2e-5)


def test_the_published_powers() -> None:
    """Those of arXiv 2603.04605 for BEATs: gamma 19 alone, p 10 alone, and 16 with 3 together."""
    x = features(9)
    blocks = x.double().numpy().reshape(2, 3, 8, 16)
    deviation = np.linalg.norm(blocks - blocks.mean(axis=1, keepdims=True), axis=3)
    relative = 1.0 + deviation / deviation.max(axis=1, keepdims=True)

    def weights(gamma: float) -> np.ndarray:
        return np.asarray(relative**gamma / (relative**gamma).sum(axis=1, keepdims=True) / 8.0)[..., None]

    positive = np.maximum(blocks, 0.0)
    expected = {
        "rdp": (weights(19.0) * blocks).sum(axis=(1, 2)),
        "gem": (positive**10).mean(axis=(1, 2)) ** 0.1,
        "rdp-gem": (weights(16.0) * positive**3).sum(axis=(1, 2)) ** (1 / 3),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(build_pooling(name, 16)(x).numpy(), values, rtol=1e-4, atol=2e-5, err_msg=name)


CASES = [*((name, "apart") for name in POOLINGS), ("mean", "average"), ("rdp", "average"), ("gem", "concatenate")]
CASES += [("rdp-gem", "average"), ("rdp-gem", "concatenate"), ("stats", "concatenate")]


def pooling(name: str, mode: str, width: int) -> nn.Module:
    if name == "asp":
        return AttentiveStatisticsPooling(width, 128)
    return build_pooling(name, width, mel_block_mode=mode)


def pool(module: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        found = module(x)
    pooled: Tensor = found[0] if isinstance(found, tuple) else found
    return pooled


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_the_size_is_what_was_promised(name: str, mode: str) -> None:
    module = pooling(name, mode, 16)
    assert pool(module, features(5)).shape == (2, module.dimensions)
    assert module.dimensions == (32 if name in ("stats", "asp") else 16) * (8 if mode == "concatenate" else 1)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000), shift=st.integers(1, 2), case=st.sampled_from(CASES))
def test_when_something_happens_does_not_matter(seed: int, shift: int, case: tuple[str, str]) -> None:
    """Every pooling forgets the order of the times."""
    torch.manual_seed(seed)
    module = pooling(*case, 16)
    x = features(seed)
    np.testing.assert_allclose(pool(module, x.roll(shift * MEL_BLOCKS, dims=1)), pool(module, x), atol=1e-5)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000), case=st.sampled_from(CASES))
def test_clips_of_a_batch_do_not_touch_each_other(seed: int, case: tuple[str, str]) -> None:
    torch.manual_seed(seed)
    module = pooling(*case, 16)
    x = features(seed, batch=3) * torch.tensor([0.1, 1.0, 10.0])[:, None, None]
    together = pool(module, x)
    alone = torch.cat([pool(module, clip[None]) for clip in x])
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore")  # the exporter warns of its own internals
@pytest.mark.parametrize(
    ("name", "mode"), [*CASES[: len(POOLINGS)], ("rdp-gem", "average"), ("rdp-gem", "concatenate")]
)
def test_the_exported_graph_computes_the_same(name: str, mode: str, tmp_path: Path) -> None:
    module = pooling(name, mode, 24).eval()
    path = tmp_path / "pooling.onnx"
    outputs = ["embedding", "patch_weights"][: 2 if name == "asp" else 1]
    torch.onnx.export(
        module,
        (features(6, width=24),),
        str(path),
        input_names=["features"],
        output_names=outputs,
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        opset_version=18,
        dynamo=True,
        verbose=False,
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for batch, scale in ((1, 1.0), (2, 0.1), (5, 2.0), (2, 0.0)):
        x = scale * features(batch, batch, width=24)
        found = session.run(outputs, {"features": x.numpy()})
        with torch.no_grad():
            expected = module(x)
        for ours, theirs in zip(found, expected if name == "asp" else (expected,), strict=True):
            np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-5, atol=1e-5)


@pytest.fixture
def write_head(tmp_path: Path) -> Callable[[object], Path]:
    def write(content: object) -> Path:
        path = tmp_path / "asp.pt"
        torch.save(content, path)
        return path

    return write


def test_a_trained_head_comes_back(write_head: Callable[[object], Path]) -> None:
    trained = AttentiveStatisticsPooling(16, attention_dim=5)
    head = load_head(write_head(trained.state_dict()), 16)
    x = features(7)
    for found, expected in zip(head(x), trained(x), strict=True):
        assert torch.equal(found, expected.detach())


@pytest.mark.parametrize(
    ("content", "what", "got"),
    [
        ({"W_a": torch.zeros(128, 12), "v_a": torch.zeros(128)}, "another shape: W_a", "(128, 12)"),
        ({"W_a": torch.zeros(16), "v_a": torch.zeros(128)}, "another shape: W_a", "(16,)"),
        ({"W_a": torch.zeros(9, 16), "v_a": torch.zeros(128)}, "another shape: v_a", "(128,)"),
        ({"W_a": torch.zeros(128, 16)}, "lacks a weight: v_a", "nothing"),
        ({"v_a": torch.zeros(128)}, "lacks a weight: W_a", "nothing"),
        ({"W_a": torch.zeros(0, 16), "v_a": torch.zeros(0)}, "another shape: W_a", "(0, 16)"),
        ({"W_a": torch.zeros(9, 16), "v_a": torch.full((9,), math.nan)}, "damaged: v_a", "not numbers"),
        ({"W_a": torch.zeros(9, 16), "v_a": torch.zeros(9), "W_e": torch.zeros(2)}, "belong there: W_e", "3 weights"),
        ([1], "is not a trained head", "a list"),
    ],
)
def test_another_head_is_refused(write_head: Callable[[object], Path], content: object, what: str, got: str) -> None:
    with pytest.raises(ModelError) as raised:
        load_head(write_head(content), 16)
    assert what in raised.value.what
    assert "asp.pt" in raised.value.what
    assert got in raised.value.got
    assert raised.value.valid
    assert "asd-edge train beats-asp" in raised.value.next_step


def test_a_head_that_is_not_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no file asp\.pt"):
        load_head(tmp_path / "asp.pt", 16)
    (tmp_path / "asp.pt").write_text("not a head")
    with pytest.raises(ModelError, match="is not a trained head"):
        build_pooling("asp", 16, tmp_path / "asp.pt")


def test_only_asp_takes_a_head_and_needs_it(write_head: Callable[[object], Path]) -> None:
    path = write_head(AttentiveStatisticsPooling(16, 128).state_dict())
    assert isinstance(build_pooling("asp", 16, path), AttentiveStatisticsPooling)
    with pytest.raises(InputError, match="needs a trained head"):
        build_pooling("asp", 16)
    with pytest.raises(InputError, match="mean has nothing to train"):
        build_pooling("mean", 16, path)


def test_mel_blocks_that_cannot_be_taken_like_that(write_head: Callable[[object], Path]) -> None:
    with pytest.raises(InputError, match="Mel blocks cannot be taken like that") as raised:
        build_pooling("mean", 16, mel_block_mode="sum")
    assert (raised.value.got, raised.value.valid) == ("sum", "apart, average, concatenate")
    path = write_head(AttentiveStatisticsPooling(16, 128).state_dict())
    with pytest.raises(InputError, match="trained on mel blocks apart"):
        build_pooling("asp", 16, path, "concatenate")


def test_a_pooling_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="no pooling of that name") as raised:
        build_pooling("max", 16)
    assert raised.value.got == "max"
    assert raised.value.valid == "asp, mean, stats, rdp, gem, rdp-gem"

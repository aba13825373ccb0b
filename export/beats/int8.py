"""BEATs' large products in 8 bits, for CPUs: four times less to read and to multiply, and measured against float32.

Weights are rounded once, activations anew in every window. Three things keep the error small, in the order in which
they are applied:

- Balancing (Xiao et al., *SmoothQuant*, ICML 2023, equation 4): where a few channels of a product's input are much
  larger than the rest, they are scaled down and their weights up. It costs a multiplication of the input, so it stays
  away where it does not pay.
- Rounding with feedback (Frantar et al., *GPTQ*, ICLR 2023): the weights of an output are rounded one after the other,
  and each error is made good by those that are still to come, as far as the inputs of real windows are correlated.
  They are: patches of one machine differ little. This matters most, as an error of the weights is the same in every
  patch and no pooling averages it away.
- Correction (Nagel et al., *Data-Free Quantization Through Weight Equalization and Bias Correction*, ICCV 2019): what
  the rounding shifts in the mean goes into the bias.
"""

from __future__ import annotations

import copy
import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from asd_edge.calibration.contract.parity import LIMITS, Certificate
from asd_edge.calibration.errors import ModelError
from asd_edge.export.beats.embedder import BeatsEmbedder
from asd_edge.export.beats.encoder import Beats

log = logging.getLogger(__name__)

GROUPS = (("project",), ("query", "key", "value"), ("gate",), ("out",), ("widen",), ("narrow",))
"""The products of the encoder itself and of each of its layers by their inputs, in the order of computing."""
LARGEST = 127
BALANCE_STRENGTH = 0.5
"""The share of a channel's size that goes into its weights: alpha in SmoothQuant."""
BALANCE_GAIN = 0.5
"""A product is balanced where this brings its squared error below this share: each balancing costs 0.1 to 0.25 ms a
window."""
DAMPING = 0.01
"""What is added to the diagonal of the inputs' second moments, relative to its mean, as in GPTQ."""
MOST_IN_FLOAT = 0.5
"""The share of the products that may stay in float32; with more of them, 8 bits are not worth it."""
_BLOCK = 64
"""The number of weights that are rounded before their errors go to all the others."""
_ROWS = 2048
"""The number of inputs that balancing is tried on."""
_TINY = torch.finfo(torch.float32).tiny

_T = TypeVar("_T")


@dataclass(frozen=True)
class Rounding:
    """What is done to keep the error of rounding small. Models are exported with all of it; less is to compare with."""

    balanced: bool = True
    """whether channels are balanced where it pays"""
    feedback: bool = True
    """whether the error of each weight is made good by those that are still to come"""
    corrected: bool = True
    """whether what rounding shifts in the mean goes into the bias"""


class Int8Linear(nn.Module):
    """A dense layer with weights and inputs of 8 bits: ``(rows, in) -> (rows, out)``.

    With u the inputs in unsigned 8 bits, over the range that they have in this call, zero point z and step t::

        y = t scale (u - z) weight + bias

    The range is that of the whole call: in a batch, it is shared.

    Args:
        weight: The weights in signed 8 bits, ``(in, out)``.
        scale: The step of the weights of each output, ``(out,)``.
        bias: The bias, ``(out,)``.
        balance: The factors that the inputs are multiplied with first, ``(in,)``; none where all are 1.
    """

    def __init__(self, weight: Tensor, scale: Tensor, bias: Tensor, balance: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)
        self.register_buffer("bias", bias)
        self.register_buffer("balance", balance)
        self.weight: Tensor
        self.scale: Tensor
        self.bias: Tensor
        self.balance: Tensor | None

    def forward(self, x: Tensor) -> Tensor:
        """Multiply ``(rows, in)``."""
        if self.balance is not None:
            x = x * self.balance
        if not torch.compiler.is_exporting():
            rounded, step = _round_inputs(x)
            return rounded @ self.weight.to(x.dtype) * (step * self.scale) + self.bias
        inputs, step, zero = torch.onnx.ops.symbolic_multi_out(
            "DynamicQuantizeLinear",
            (x,),
            dtypes=(torch.uint8, torch.float32, torch.uint8),
            shapes=(x.shape, (), ()),
        )
        total = torch.onnx.ops.symbolic(
            "MatMulInteger", (inputs, self.weight, zero), dtype=torch.int32, shape=(x.shape[0], self.weight.shape[1])
        )
        # In this form ONNX Runtime computes it all as one operator.
        y: Tensor = total.to(torch.float32) * (step * self.scale) + self.bias
        return y


def to_int8(
    module: BeatsEmbedder,
    calibration: NDArray[np.float32],
    check: NDArray[np.float32],
) -> BeatsEmbedder:
    """Make the same model with products of 8 bits, as many of them as the quality allows.

    Where rounding all of them costs more than `LIMITS`, those that cost most stay in float32.

    Args:
        module: The model in float32, which stays as it is.
        calibration: The windows to balance, round and correct with, ``(windows, samples)``.
        check: Other windows, to measure the quality with, ``(windows, samples)``.

    Raises:
        ModelError: Half of the products in float32 are not enough.
    """
    expected = embed(module, check)
    rounded = round_everything(module, calibration)
    owners, float_owners = _owners(rounded), _owners(module)
    with torch.no_grad():
        if Certificate.of(embed(rounded, check), expected).within_limits:
            return rounded
        log.info("Rounding costs too much: finding the products that cost most ...")
        costly = _by_cost(owners, float_owners, lambda: Certificate.of(embed(rounded, check), expected))
        for kept, (owner, group) in enumerate(costly[: round(MOST_IN_FLOAT * len(costly))], start=1):
            _swap(owners[owner], float_owners[owner], group)
            found = Certificate.of(embed(rounded, check), expected)
            if found.within_limits:
                log.info("%d of %d groups of products stay in float32.", kept, len(costly))
                return rounded
    raise ModelError(
        "Products of 8 bits change this model's embeddings too much.",
        got=f"{found}, with half of the products in float32",
        valid=LIMITS,
        next_step="give --calibration DIR with recordings of the machines that it is for, or export with fp32",
    )


def round_everything(
    module: BeatsEmbedder,
    calibration: NDArray[np.float32],
    rounding: Rounding = Rounding(),
) -> BeatsEmbedder:
    """The same model with all products of 8 bits, whatever that costs.

    Args:
        module: The model in float32; it stays as it is.
        calibration: The windows to balance, round and correct with, ``(windows, samples)``.
        rounding: The means that keep the error small.
    """
    rounded = copy.deepcopy(module)
    with torch.no_grad():
        _round_all(rounded.encoder, torch.from_numpy(calibration), rounding)
    return rounded


def embed(module: nn.Module, clips: NDArray[np.float32]) -> NDArray[np.float32]:
    """Embeddings of windows one by one, ``(windows, samples) -> (windows, dim)``, as on the device."""
    found = []
    with torch.no_grad():
        for clip in clips:
            outputs = module(torch.from_numpy(clip[None]))
            found.append((outputs if isinstance(outputs, Tensor) else outputs[0]).numpy())
    return np.concatenate(found)


def _owners(module: BeatsEmbedder) -> list[nn.Module]:
    """List the modules whose products are rounded."""
    return [module.encoder, *module.encoder.layers]


def _groups(owner: nn.Module) -> list[tuple[str, ...]]:
    """List the groups of `GROUPS` that an encoder or a layer has."""
    found = [
        tuple(name for name in group if isinstance(getattr(owner, name, None), nn.Linear | Int8Linear))
        for group in GROUPS
    ]
    return [group for group in found if group]


def _round_all(encoder: Beats, clips: Tensor, rounding: Rounding) -> None:
    """Round all products, each with the inputs that the rounded products before it give."""
    layers = list(encoder.layers)
    means, (exact, *rest) = _output_means(encoder, lambda: _arguments(encoder, layers[0], clips))
    _round_products(encoder, means, rounding, clips)
    x, *_ = _arguments(encoder, layers[0], clips)
    for number, layer in enumerate(layers, start=1):
        log.info("Rounding layer %d of %d ...", number, len(layers))
        means, exact = _output_means(layer, functools.partial(layer, exact, *rest))
        _round_products(layer, means, rounding, x, *rest)
        x = layer(x, *rest)


def _round_products(owner: nn.Module, means: dict[str, Tensor], rounding: Rounding, *arguments: Tensor) -> None:
    """Round the products of an encoder or a layer, which is called with `arguments`."""
    for group in _groups(owner):
        products = [cast(nn.Linear, getattr(owner, name)) for name in group]
        (inputs,) = _arguments(owner, products[0], *arguments)
        balance = _balance(products, inputs) if rounding.balanced else None
        rounded = _round_group(products, inputs, [means[name] for name in group], balance, rounding)
        for name, linear in zip(group, rounded, strict=True):
            setattr(owner, name, linear)


def _by_cost(
    owners: list[nn.Module], float_owners: list[nn.Module], measure: Callable[[], Certificate]
) -> list[tuple[int, tuple[str, ...]]]:
    """Order the groups of products, the number of their owner and their names, by what rounding costs, most first."""
    errors: dict[tuple[int, tuple[str, ...]], float] = {}
    for number, (owner, float_owner) in enumerate(zip(owners, float_owners, strict=True)):
        for group in _groups(owner):
            rounded = _swap(owner, float_owner, group)
            errors[number, group] = measure().max_error_over_spread
            for name, product in rounded.items():
                setattr(owner, name, product)
    return sorted(errors, key=lambda place: errors[place])


def _swap(owner: nn.Module, float_owner: nn.Module, group: tuple[str, ...]) -> dict[str, nn.Module]:
    """Put the products in float32 in the place of the rounded ones, which are returned."""
    before = {name: getattr(owner, name) for name in group}
    for name in group:
        setattr(owner, name, getattr(float_owner, name))
    return before


def _balance(products: list[nn.Linear], inputs: Tensor) -> Tensor | None:
    """Find the factors for the inputs of several products, ``(in,)``; none where balancing does not pay."""
    weight = torch.cat([product.weight for product in products])  # (outputs of all, in)
    largest_input = inputs.abs().amax(dim=0)
    largest_weight = weight.abs().amax(dim=0)
    balance = largest_weight.clamp(min=_TINY) ** (1.0 - BALANCE_STRENGTH) / largest_input.clamp(min=_TINY) ** (
        BALANCE_STRENGTH
    )
    balance = torch.where((largest_input > 0.0) & (largest_weight > 0.0), balance, torch.ones_like(balance))
    rows = inputs[:: max(1, len(inputs) // _ROWS)]
    exact = rows @ weight.T
    deviation = exact.std(dim=0).clamp(min=_TINY)

    def error(balance: Tensor | float) -> float:
        balanced = weight / balance
        scale = (balanced.abs().amax(dim=1) / LARGEST).clamp(min=_TINY)
        weights = torch.round(balanced / scale[:, None])
        rounded, step = _round_inputs(rows * balance)
        return float(((rounded @ weights.T * (step * scale) - exact) / deviation).square().mean())

    return balance if error(balance) < BALANCE_GAIN * error(1.0) else None


def _round_group(
    products: list[nn.Linear], inputs: Tensor, means: list[Tensor], balance: Tensor | None, rounding: Rounding
) -> list[Int8Linear]:
    """Round products of the same inputs, and correct each bias so that the mean output is that of float32."""
    weight = torch.cat([product.weight for product in products]).T  # (in, outputs of all)
    if balance is not None:
        weight = weight / balance[:, None]
    scale = (weight.abs().amax(dim=0) / LARGEST).clamp(min=_TINY)
    if rounding.feedback:
        whole = round_with_feedback(weight / scale, inputs if balance is None else inputs * balance).to(torch.int8)
    else:
        whole = (weight / scale).round().to(torch.int8)
    rounded = []
    first = 0
    for product, mean in zip(products, means, strict=True):
        columns = slice(first, first + len(mean))
        bias = torch.zeros_like(mean) if rounding.corrected or product.bias is None else product.bias.clone()
        linear = Int8Linear(whole[:, columns].contiguous(), scale[columns].clone(), bias, balance)
        if rounding.corrected:
            linear.bias += mean - linear(inputs).mean(dim=0)
        rounded.append(linear)
        first = columns.stop
    return rounded


def round_with_feedback(weight: Tensor, inputs: Tensor) -> Tensor:
    """Whole numbers in [-127, 127] near the weights that give nearly the same products with the inputs.

    GPTQ's algorithm 1: row by row, each error goes to the rows after it, as the Cholesky factor of the inverse of the
    inputs' damped second moments, H = X'X / n, says.

    Args:
        weight: The weights in units of their step, ``(in, out)``.
        inputs: Inputs of the product, ``(rows, in)``.

    Returns:
        The whole numbers, ``(in, out)``.
    """
    moments = (inputs.T @ inputs).double() / len(inputs)
    damping = DAMPING * moments.diagonal().mean().clamp(min=_TINY)
    moments += damping * torch.eye(len(moments), dtype=torch.float64)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(moments))
    factor = torch.linalg.cholesky(inverse, upper=True).float()
    left = weight.clone(memory_format=torch.contiguous_format)
    rounded = torch.empty_like(left)
    for start in range(0, len(left), _BLOCK):
        end = min(start + _BLOCK, len(left))
        errors = torch.empty(end - start, left.shape[1])
        for row in range(start, end):
            rounded[row] = left[row].round().clamp(-LARGEST, LARGEST)
            errors[row - start] = (left[row] - rounded[row]) / factor[row, row]
            left[row:end].addr_(factor[row, row:end], errors[row - start], alpha=-1.0)
        left[end:] -= factor[start:end, end:].T @ errors
    return rounded


def _round_inputs(x: Tensor) -> tuple[Tensor, Tensor]:
    """Round as ONNX's DynamicQuantizeLinear does, without the zero point: the whole numbers u - z, and their step."""
    low, high = x.amin().clamp(max=0.0), x.amax().clamp(min=0.0)
    step = ((high - low) / 255.0).clamp(min=_TINY)
    zero = (-low / step).round()
    return (x / step).round_().clamp_(-zero, 255.0 - zero), step


class _Reached(Exception):  # noqa: N818  no error: the rest of the computation is not needed
    """The module whose arguments are wanted was called."""


def _arguments(module: nn.Module, inner: nn.Module, *arguments: Tensor | int | None) -> tuple[Tensor, ...]:
    """Find what `inner` is called with when `module` is called with `arguments`."""
    reached: list[tuple[Tensor, ...]] = []

    def keep(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        reached.append(given)
        raise _Reached

    hook = inner.register_forward_pre_hook(keep)
    try:
        module(*arguments)
    except _Reached:
        pass
    finally:
        hook.remove()
    return reached[0]


def _output_means(owner: nn.Module, run: Callable[[], _T]) -> tuple[dict[str, Tensor], _T]:
    """Give the mean output of every product while an encoder or a layer runs, ``(out,)`` each, and what `run` gives."""
    means: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(_: nn.Module, __: object, output: Tensor) -> None:
            means[name] = output.mean(dim=0)

        return hook

    hooks = [getattr(owner, name).register_forward_hook(keep(name)) for group in _groups(owner) for name in group]
    try:
        return means, run()
    finally:
        for hook in hooks:
            hook.remove()

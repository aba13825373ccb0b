"""The command `asd-edge adopt`: a model that was made elsewhere becomes a model for the device."""

from asd_edge.calibration.command_line import options
from asd_edge.calibration.console import say
from asd_edge.calibration.wording import counted, visible
from asd_edge.export.adoption.settings import AdoptSettings


@options
def adopt(settings: AdoptSettings) -> None:
    """Make a model for the device of an ONNX file that was made elsewhere (needs the 'adopt' extra)."""
    from asd_edge.export.adoption.adopt import adopt as make

    adopted = make(settings)
    info = adopted.info
    embedding = f"{counted(info.dimensions, 'value')}, {info.precision}, from the output '{adopted.output}'"
    if adopted.frames > 1:
        embedding += f", the {info.pooling} of {counted(adopted.frames, 'frame')}"
    length = "; the model takes any length, --window chooses" if adopted.any_length else ""
    batch = "one window after the other" if adopted.one_at_a_time else "any number of windows at once"
    factor = adopted.window_took_s / info.window_s
    rows = {
        "name": info.recipe,
        "hears": f"{info.window_s:g} s of mono sound at {info.sample_rate_hz} Hz, float32 in [-1, 1]{length}",
        "embedding": embedding,
        "left out": ", ".join(adopted.left_out),
        "batch": batch,
        "takes": f"{1000 * adopted.window_took_s:.1f} ms a window on this computer, real-time factor {factor:.4f}",
        "tried": "on generated sound: finite, repeatable, and another embedding for another sound",
    }
    say(f"{visible(settings.output)}: a model for the device")
    for label, text in rows.items():
        if text:
            say(f"  {label:<10}  {visible(text)}")
    say("A model that was made for another sample rate or for samples beyond [-1, 1] runs, and hears badly.")
    say(f"Next: asd-edge enroll --model {visible(settings.output)} --bank {visible(settings.output.stem)}.npz")

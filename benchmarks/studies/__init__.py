'''Studies: the figures in the README of the benchmarks, each by ``asd-edge study NAME``.

A study is a function of one class of settings that prints what it found, and one line in ``pyproject.toml``. One that
another package brings is all of this, in a file ``hiss.py``::

    from pathlib import Path
    from typing import Annotated

    from asd_edge.benchmarks.studies.printing import print_table
    from asd_edge.calibration.settings import Setting, settings


    @settings
    class HissSettings:
        """Which recordings to look at."""

        recordings: Annotated[tuple[Path, ...], Setting("A sound file; it can be repeated.", option="--input")]


    def hiss(wanted: HissSettings) -> None:
        """How loud the quietest second of each recording is."""
        import soundfile

        rows = []
        for path in wanted.recordings:
            sound, rate_hz = soundfile.read(path, always_2d=True)
            seconds = [sound[start : start + rate_hz] for start in range(0, len(sound), rate_hz)]
            rows.append((path.name, f"{min((second**2).mean() ** 0.5 for second in seconds):.2g}"))
        print_table(("recording", "quietest second"), rows)

and in its ``pyproject.toml``::

    [project.entry-points."asd_edge.studies"]
    hiss = "my_package.hiss:hiss"

``asd-edge study --help`` then lists it with the first line of its docstring, which is read from the file without
importing it, and ``asd-edge study hiss --input pump.wav`` runs it.
'''

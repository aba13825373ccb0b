"""The settings of a trainer that learns from the patch features of a frozen BEATs, and how it comes by the features."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from asd_edge.calibration.settings import Setting, settings
from asd_edge.export.training.settings import WindowedTrainSettings

if TYPE_CHECKING:
    from asd_edge.export.beats.encoder import Beats
    from asd_edge.export.beats.feature_store import FeatureStore
    from asd_edge.export.training.clips import TrainingClip
    from asd_edge.export.training.job import Preparation

CHECKPOINT = Setting("The path of a BEATs checkpoint as Microsoft publishes it, such as BEATs_iter3.pt.")


@settings(kw_only=True)
class FeatureTrainSettings(WindowedTrainSettings):
    """The patch features of BEATs, which are computed once and kept."""

    features: Annotated[
        Path | None,
        Setting("The folder for the patch features of BEATs.", default="the folder features beside the output"),
    ] = None
    layers: Annotated[
        int | None,
        Setting("The number of encoder layers to keep, from the first.", default="all", at_least=1, at_most=1000),
    ] = None

    def features_of(
        self, checkpoint: Path, clips: "Sequence[TrainingClip]", preparation: "Preparation"
    ) -> "tuple[Beats, FeatureStore, tuple[TrainingClip, ...]]":
        """Compute the features of clips that are not kept yet.

        Args:
            checkpoint: The BEATs checkpoint.
            clips: The clips whose features are wanted.
            preparation: The processor to compute on, and what is done about damaged clips.

        Returns:
            The encoder on the processor that computed, the features, and the clips that have some.

        Raises:
            InputError: The features cannot be kept.
            SoundError: A clip is damaged, and damaged clips are not skipped.
            ModelError: The checkpoint cannot be used.
        """
        from asd_edge.calibration.atomic_files import file_sha256
        from asd_edge.export.beats.encoder import load_beats
        from asd_edge.export.beats.feature_store import FeatureKind, FeatureStore, extract

        encoder = load_beats(checkpoint, self.layers, self.samples)
        kind = FeatureKind.of(encoder, file_sha256(checkpoint), self.channel)
        store = FeatureStore(self.features or self.output.parent / "features", kind)
        encoder = encoder.to(preparation.fabric.device)
        return encoder, store, extract(clips, store, encoder, self.channel, preparation.damaged)

"""The multi-modal autoencoder of [MM], with BEATs or on the log-mel spectrogram alone."""

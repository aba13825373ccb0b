"""The first-shot autoencoder of the DCASE baseline, one model for each machine."""

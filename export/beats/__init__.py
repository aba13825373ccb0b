"""BEATs: the encoder, its checkpoint, its poolings, and its export in float32, float16 and int8."""

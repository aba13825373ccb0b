"""Models that were made elsewhere: any ONNX file that maps sound to an embedding becomes a model for the device."""

"""The model on the device: a session of ONNX Runtime, the provider that runs it, and its cache."""

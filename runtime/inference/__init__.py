"""The model on the device: the session of ONNX Runtime that runs it, the provider that the session uses, and its cache."""

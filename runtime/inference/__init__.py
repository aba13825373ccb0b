"""The model on the device: the session of ONNX Runtime that runs it, the provider it runs on, and its cache."""

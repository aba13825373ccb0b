"""The workstation: PyTorch modules, and the one ONNX file that comes out."""

"""What the tests against PyTorch share: tensors as bytes, and the models that stkit reads."""

import ctypes

from oracle import skip_without

try:
    import torch
except ImportError as error:
    skip_without(error)

NAMES = {"float32": "F32", "float64": "F64", "float16": "F16", "bfloat16": "BF16", "int64": "I64",
         "int32": "I32", "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL",
         "uint16": "U16", "uint32": "U32", "uint64": "U64", "complex64": "C64",
         "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2", "float8_e4m3fnuz": "F8_E4M3FNUZ",
         "float8_e5m2fnuz": "F8_E5M2FNUZ", "float8_e8m0fnu": "F8_E8M0"}


def raw(tensor):
    """The elements in row-major order, as bytes."""
    tensor = tensor.detach().contiguous()
    size = tensor.numel() * tensor.element_size()
    return ctypes.string_at(tensor.data_ptr(), size) if size else b""


def wanted(tensors):
    return {name: (NAMES[str(tensor.dtype).removeprefix("torch.")], list(tensor.shape), raw(tensor))
            for name, tensor in tensors.items()}

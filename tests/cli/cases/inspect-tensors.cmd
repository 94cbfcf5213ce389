stkit inspect two.safetensors --tensors

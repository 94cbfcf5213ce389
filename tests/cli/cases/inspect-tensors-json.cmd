stkit inspect two.safetensors --tensors --json

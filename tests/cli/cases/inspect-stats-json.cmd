stkit inspect two.safetensors --stats --tensors=a --json

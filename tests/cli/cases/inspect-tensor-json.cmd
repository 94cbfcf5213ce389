stkit inspect two.safetensors --tensor a --json

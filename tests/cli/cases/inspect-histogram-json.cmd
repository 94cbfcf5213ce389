stkit inspect two.safetensors --histogram a --json

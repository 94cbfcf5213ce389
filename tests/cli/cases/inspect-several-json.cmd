stkit inspect two.safetensors nowhere --json

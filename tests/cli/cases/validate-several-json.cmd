stkit validate two.safetensors nowhere --json

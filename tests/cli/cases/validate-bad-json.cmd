stkit validate short.safetensors --json

stkit validate short.safetensors --format json

stkit validate short.safetensors

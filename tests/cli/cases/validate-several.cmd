stkit validate tiny short.safetensors

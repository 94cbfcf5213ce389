stkit inspect short.safetensors

stkit validate two.safetensors --against other.safetensors

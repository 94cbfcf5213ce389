stkit validate two.safetensors --deep

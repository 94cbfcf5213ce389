stkit inspect two.safetensors --diff two.safetensors

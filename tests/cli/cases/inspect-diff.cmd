stkit inspect two.safetensors --diff other.safetensors --data

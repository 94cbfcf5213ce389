stkit inspect two.safetensors --stats

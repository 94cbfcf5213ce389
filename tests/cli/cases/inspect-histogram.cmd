stkit inspect two.safetensors --histogram a

stkit inspect two.safetensors --json -q --threads 1

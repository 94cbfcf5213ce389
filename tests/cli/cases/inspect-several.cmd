stkit inspect two.safetensors nowhere other.safetensors

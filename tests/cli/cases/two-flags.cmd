stkit inspect two.safetensors --metadata --tree

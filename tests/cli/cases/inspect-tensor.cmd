stkit inspect two.safetensors --tensor a --values 3 --stats

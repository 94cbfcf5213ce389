stkit inspect two.safetensors other.safetensors --tensor a --json; stkit inspect two.safetensors other.safetensors --histogram a --json

stkit validate two.safetensors --write-checksums --json

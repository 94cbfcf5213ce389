stkit inspect --json short.safetensors

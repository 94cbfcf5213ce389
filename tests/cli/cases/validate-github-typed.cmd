stkit validate ./short.safetensors --format github

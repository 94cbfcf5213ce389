stkit validate short.safetensors --color always

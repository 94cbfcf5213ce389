stkit quantize tiny -o tiny/model-00001-of-00003.safetensors --force

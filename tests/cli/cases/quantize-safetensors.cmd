stkit quantize tiny -o tiny-q8.safetensors --isq q8_0 -q && stkit validate tiny-q8.safetensors && stkit quantize tiny-q8.safetensors -o x.gguf

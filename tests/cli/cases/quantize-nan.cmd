stkit quantize two.safetensors -o out.gguf

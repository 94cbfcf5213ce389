stkit quantize two.safetensors -o out.gguf --type q4_k_m

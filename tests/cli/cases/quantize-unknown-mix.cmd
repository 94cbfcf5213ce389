stkit quantize tiny -o out.gguf --type q4_k_x

stkit quantize tiny -o out.gguf --isq q4kk

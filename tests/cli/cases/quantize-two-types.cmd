stkit quantize tiny -o out.gguf --isq q4k --bits 4

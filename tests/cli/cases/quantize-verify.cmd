stkit quantize tiny -o out.gguf --isq q5k --verify

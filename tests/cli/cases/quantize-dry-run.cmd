stkit quantize tiny -o out.gguf --isq Q6_K --dry-run && ls

stkit quantize tiny -o out.gguf --fit 600KB --dry-run

stkit quantize tiny -o out.gguf --fit 100KB

stkit quantize tiny -o out.gguf && wc -c <out.gguf && stkit quantize tiny -o out.gguf

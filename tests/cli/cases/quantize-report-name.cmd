stkit quantize tiny -o out.gguf --report r.txt

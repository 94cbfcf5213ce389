stkit quantize layers -o out.gguf

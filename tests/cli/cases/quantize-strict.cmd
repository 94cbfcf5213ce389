stkit quantize layers -o out.gguf --strict && ls

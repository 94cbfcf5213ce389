stkit quantize layers -o out.gguf --arch none --strict && ls

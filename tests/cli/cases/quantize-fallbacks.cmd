stkit quantize layers -o out.gguf --arch none

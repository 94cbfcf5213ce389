stkit quantize layers -o out.gguf --arch lama; stkit quantize run/checkpoint-500 -o out.gguf; ls

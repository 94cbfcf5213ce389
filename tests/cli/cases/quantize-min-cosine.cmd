stkit quantize tiny -o out.gguf --isq q2k --min-cosine 0.99 || { echo exit $?; ls; }

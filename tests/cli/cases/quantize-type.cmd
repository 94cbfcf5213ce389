stkit quantize tiny -o out.gguf --type q4_k_m --dry-run && stkit quantize tiny -o out.gguf --type q4_k_m -q >/dev/null && wc -c <out.gguf

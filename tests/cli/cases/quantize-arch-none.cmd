stkit quantize tiny -o out.gguf --arch none -q >/dev/null && stkit inspect out.gguf --tensors="*.0.mlp*"

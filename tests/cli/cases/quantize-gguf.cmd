stkit quantize tiny -o tiny.gguf -q >/dev/null && stkit inspect tiny.gguf && stkit validate tiny.gguf --deep && stkit quantize tiny.gguf -o again.gguf --auto && stkit quantize tiny.gguf -o again.gguf

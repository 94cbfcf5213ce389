stkit quantize tiny -o out.gguf --report r.csv && head -n 3 r.csv && stkit quantize tiny -o o2.gguf --report r.csv

stkit quantize tiny -o out.gguf --auto=50 --tensor-type '*norm*=bf16' --keep output.weight --embedding-type q8_0

stkit inspect two.safetensors --tensor a --npy a.npy && od -An -c -N6 a.npy && stkit inspect two.safetensors --tensor a --npy a.npy

stkit validate layers --for vllm

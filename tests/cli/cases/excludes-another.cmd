stkit inspect tiny --diff two.safetensors --html x.html

stkit merge tiny -o out --dtype f32 --keep-dtype '*norm*' --verify && stkit inspect out --tensors='*layers.0.*norm*' && grep -c float32 out/config.json

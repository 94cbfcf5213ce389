stkit merge tiny -o out --all-checkpoints; echo $?; stkit merge run -o out --all-checkpoints --checkpoint-filter 'global*'

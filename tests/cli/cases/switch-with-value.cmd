stkit inspect tiny --tree=yes

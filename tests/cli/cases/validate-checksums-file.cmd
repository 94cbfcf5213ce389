stkit validate tiny --write-checksums=sums && stkit validate tiny --write-checksums=sums

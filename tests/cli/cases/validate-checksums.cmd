stkit validate tiny --write-checksums > sums && stkit validate tiny --checksums sums && stkit validate layers --checksums sums

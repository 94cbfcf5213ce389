stkit validate tiny

stkit merge tiny

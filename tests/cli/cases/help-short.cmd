stkit -h

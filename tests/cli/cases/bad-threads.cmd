stkit -j many inspect tiny

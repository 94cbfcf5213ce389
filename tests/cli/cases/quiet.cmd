stkit -q inspect nowhere

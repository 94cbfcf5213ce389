stkit help inspec

"""A server that is as unkind as servers and networks are, for the tests of the REST backend."""
